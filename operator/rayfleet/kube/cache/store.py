"""The cache of one kind of child: pods, services."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar, cast

from rayfleet.kube.cache.interning import Interner
from rayfleet.kube.cache.tombstones import Tombstones
from rayfleet.kube.objects.keys import Key, Owner, unowned


class Trimmed(Protocol):
    """A trimmed object: a frozen dataclass of at least these fields."""

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

    - An object never goes back in resourceVersion, nor does one that was deleted come back as a ghost.
    - Another uid under the same name is another object: the newer one counts.
    - A new resourceVersion alone is no change: nothing we look at is different.
    - A list says what there is as of its resourceVersion; what is newer than the list stays.
    """

    def __init__(self, kind: type[T], roots: Collection[str] = ()) -> None:
        """`roots` are the kinds that are looked up by; what another kind controls counts as unowned."""
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
        """The key of the object's owner, where that is of a kind that is looked up by."""
        owner = obj.owner
        return Key(owner.kind, obj.namespace, owner.name) if owner and owner.kind in self._roots else None

    def get(self, namespace: str, name: str) -> T | None:
        return self._objects.get(namespace, {}).get(name)

    def owned_by(self, key: Key) -> tuple[T, ...]:
        """The objects whose controlling owner has this namespace and name, whatever its uid."""
        return tuple(self._owned.get(key, {}).values())

    def owners(self) -> Collection[Key]:
        """Those that objects are owned by, whether they are there; of objects without an owner, no name."""
        return self._owned.keys()

    def is_gone(self, obj: T) -> bool:
        """Whether it has been deleted since it was at its resourceVersion, or has left the watch since."""
        return self._gone.covers(obj.uid, obj.resource_version + 1)

    def unowned(self, namespace: str) -> tuple[T, ...]:
        """The objects of a namespace that nothing controls, such as what a deleted cluster has left."""
        return tuple(self._owned.get(unowned(namespace), {}).values())

    def apply(self, obj: T) -> bool:
        """Take in an object as it is at its resourceVersion; whether that changes anything we look at."""
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
        """Drop an object that was gone at `resource_version` (none: for good); the one that was dropped."""
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
        """Take in a whole consistent list of a namespace (none: of all); the owners of what changed.

        What the list lacks is gone, unless it is newer than the list. `seen` is the highest resourceVersion
        that the watch had shown before the list was asked for: a list from before that means that the
        server went back in time (its storage was restored), and then the list alone is true.
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
        """Take in a consistent list of all that belongs to one cluster; the owners of what changed."""
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
        """Whether an object that is not there was already gone when everything was last listed.

        So it is with the late answer to a create, if the pod was deleted before a list and never seen.
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
        """Where an object is found by its owner; of one that has none, under no name."""
        return self.owner_key(obj) or unowned(obj.namespace)
