"""The cache of one kind of child: pods, services.

Answers enter the cache before their events
-------------------------------------------
The answer to a create, a delete, a patch or a read holds the object at a resourceVersion, so it goes straight
into the cache. The next pass sees its own writes, and no list of expected writes is kept. The watch brings
the same versions, before or after the answers:

1. A pass creates pod P; the API server stores it at version 7 and sends an answer and an event.
2. The answer arrives: P@7 is stored.
3. The event arrives: 7 is not newer, so it changes nothing and wakes no key. (If the event comes first, it
   wakes the owner's key, and the answer changes nothing.)

Two rules follow. A pass that needs another pass after its own write asks for it (`requeue_after`), as no
event will wake its key. And a late answer must not bring an object back:

- P is deleted at 9, and that event arrives before the answer of 7: the tombstone of P's uid covers 7.
- P is created at 7 and deleted at 9, and a list at 10 replaces the cache while the answer is still under way.
  No event of P was seen, so there is no tombstone; but the list is newer than 7 and does not hold P.
- P loses the label that we select by, which the watch shows as a deletion at 9, and gets it back at 12: 12 is
  later than the tombstone, so P is stored again.

If the server's storage is restored from a backup, versions start lower: a list older than what the watch had
shown proves it, and then the cache becomes that list.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar, cast

from msgspec.structs import fields

from rayfleet.kube.cache.interning import Interner
from rayfleet.kube.cache.tombstones import Tombstones
from rayfleet.kube.objects.keys import Key, Owner, unowned


class Trimmed(Protocol):
    """A trimmed object: a frozen struct with at least these fields."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> int: ...
    @property
    def owner(self) -> Owner | None: ...


T = TypeVar("T", bound=Trimmed)


class Store(Generic[T]):
    """The objects of one kind, fed by watches, lists and the answers to writes, in any order.

    - An object never goes back in resourceVersion, and a deleted one does not come back as a ghost.
    - Another uid under the same name is another object: the newer one counts.
    - A new resourceVersion alone is not a change: nothing we read is different.
    - A list is complete as of its resourceVersion; what is newer than the list stays.
    """

    def __init__(self, kind: type[T], roots: Collection[str] = ()) -> None:
        """`roots` are the kinds whose children can be looked up; what another kind controls is unowned."""
        self._roots = frozenset(roots)
        self._objects: dict[str, dict[str, T]] = {}
        self._owned: dict[Key, dict[str, T]] = {}
        self._gone = Tombstones()
        self._listed: dict[str | None, int] = {}
        self._interner = Interner(kind)
        names = (f.name for f in fields(cast("type[Any]", kind)) if f.name != "resource_version")
        self._projection: Callable[[T], tuple[Any, ...]] = attrgetter(*names)

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def __iter__(self) -> Iterator[T]:
        for objects in self._objects.values():
            yield from objects.values()

    def owner_key(self, obj: T) -> Key | None:
        """The key of the object's owner, if its kind is one of `roots`."""
        owner = obj.owner
        return Key(owner.kind, obj.namespace, owner.name) if owner and owner.kind in self._roots else None

    def get(self, namespace: str, name: str) -> T | None:
        return self._objects.get(namespace, {}).get(name)

    def owned_by(self, key: Key) -> tuple[T, ...]:
        """The objects whose controlling owner has this namespace and name, whatever its uid."""
        return tuple(self._owned.get(key, {}).values())

    def owners(self) -> Collection[Key]:
        """The owners of objects, whether they exist or not; the name is empty for unowned objects."""
        return self._owned.keys()

    def is_gone(self, obj: T) -> bool:
        """Whether the object was deleted, or left the watch, after its resourceVersion."""
        return self._gone.covers(obj.uid, obj.resource_version + 1)

    def unowned(self, namespace: str) -> tuple[T, ...]:
        """The objects of a namespace that nothing controls, such as what a deleted cluster left behind."""
        return tuple(self._owned.get(unowned(namespace), {}).values())

    def apply(self, obj: T) -> bool:
        """Store an object at its resourceVersion; return whether anything that we read has changed."""
        before = self.get(obj.namespace, obj.name)
        if self._gone.covers(obj.uid, obj.resource_version):
            return False
        if before is None and self._was_listed_without(obj):
            return False
        if before is not None and obj.resource_version <= before.resource_version:
            return False
        if before is not None and before.uid != obj.uid:
            self._gone.bury(before.uid, None)
        self._put(before, obj)
        return before is None or self._projection(before) != self._projection(obj)

    def remove(self, namespace: str, name: str, uid: str, resource_version: int | None = None) -> T | None:
        """Drop an object that was gone at `resource_version` (None: for good); return what was dropped."""
        self._gone.bury(uid, resource_version)
        there = self.get(namespace, name)
        if there is None or there.uid != uid:
            return None
        if resource_version is not None and there.resource_version > resource_version:
            return None
        self._drop(there)
        return there

    def replace(
        self, namespace: str | None, objects: Iterable[T], list_resource_version: int, *, seen: int = 0
    ) -> set[Key]:
        """Store a complete consistent list of a namespace (None: of all); return the owners of what changed.

        What the list lacks is gone, unless it is newer than the list. `seen` is the highest resourceVersion
        that the watch had shown before the list was requested: an older list means that the server went
        back in time, and then only the list is right.
        """
        spaces = list(self._objects) if namespace is None else [namespace]
        there = [obj for space in spaces for obj in self._objects.get(space, {}).values()]
        self._listed.pop(namespace, None)
        if list_resource_version < seen:
            changed = self._rewind(there, objects)
        else:
            changed = self._merge(there, objects, list_resource_version)
        self._listed[namespace] = list_resource_version
        return changed

    def replace_owned(self, key: Key, objects: Iterable[T], list_resource_version: int) -> set[Key]:
        """Store a consistent list of all children of one cluster; return the owners of what changed."""
        return self._merge(self.owned_by(key), objects, list_resource_version)

    def _merge(self, there: Collection[T], objects: Iterable[T], list_resource_version: int) -> set[Key]:
        changed: set[Key | None] = set()
        listed: set[str] = set()
        for obj in objects:
            listed.add(obj.uid)
            before = self.get(obj.namespace, obj.name)
            if self.apply(obj):
                changed |= {self.owner_key(obj), self.owner_key(before) if before is not None else None}
        for obj in there:
            gone = obj.uid not in listed and obj.resource_version <= list_resource_version
            if gone and self.remove(obj.namespace, obj.name, obj.uid, list_resource_version) is not None:
                changed.add(self.owner_key(obj))
        return {key for key in changed if key is not None}

    def _rewind(self, there: Collection[T], objects: Iterable[T]) -> set[Key]:
        self._gone.clear()
        for obj in there:
            self._drop(obj)
        keys = {self.owner_key(obj) for obj in there}
        for obj in objects:
            self.apply(obj)
            keys.add(self.owner_key(obj))
        return {key for key in keys if key is not None}

    def _was_listed_without(self, obj: T) -> bool:
        """Whether an object that is not stored was already gone when everything was last listed.

        That happens to the late answer to a create, if the pod was deleted before a list and never seen.
        """
        listed = max(self._listed.get(None, 0), self._listed.get(obj.namespace, 0))
        return obj.resource_version <= listed

    def _put(self, before: T | None, obj: T) -> None:
        self._interner.intern(obj)
        if before is not None:
            self._disown(before)
        self._objects.setdefault(obj.namespace, {})[obj.name] = obj
        self._owned.setdefault(self._place(obj), {})[obj.name] = obj

    def _drop(self, obj: T) -> None:
        self._disown(obj)
        objects = self._objects[obj.namespace]
        del objects[obj.name]
        if not objects:
            del self._objects[obj.namespace]

    def _disown(self, obj: T) -> None:
        place = self._place(obj)
        owned = self._owned[place]
        del owned[obj.name]
        if not owned:
            del self._owned[place]

    def _place(self, obj: T) -> Key:
        """The key of the owner, with an empty name if there is none."""
        return self.owner_key(obj) or unowned(obj.namespace)
