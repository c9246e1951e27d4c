"""Where a reflector puts what it reads, and which keys that wakes."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from rayfleet.kube.cache.clusters import RootRecord, RootStore
from rayfleet.kube.cache.store import Store, Trimmed
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.resources import Resource

log = logging.getLogger(__name__)

T = TypeVar("T")
C = TypeVar("C", bound=Trimmed)

UNTRIMMABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What trimming may raise for an object with unexpected shapes or numbers."""


class Sink(Protocol[T]):
    """Receives the objects of one kind in one namespace, or in all."""

    def trimmed(self, objects: Iterable[JsonObject]) -> list[T]:
        """The objects as they are stored. For one that cannot be read, the stored version is kept."""

    def replace(self, objects: Iterable[T], version: int, *, seen: int) -> None:
        """Store a complete consistent list; `seen` is the highest version before it was requested."""

    def apply(self, obj: JsonObject, version: int, *, born: bool) -> None:
        """Store an object as it is at `version`; `born` means that this is the object as it was created."""

    def remove(self, obj: JsonObject, version: int) -> None:
        """Drop an object that was gone at `version`."""


class ChildSink(Struct, Generic[C], frozen=True):
    """Children of clusters; `on_change` is called with the owner when anything that we read has changed."""

    kind: str
    """Plural, for messages and logs."""
    namespace: str | None
    trim: Callable[[JsonObject], C]
    store: Store[C]
    on_change: Callable[[Key], None]
    on_progress: Callable[[Key], None] | None = None
    """Called instead if `is_progress` says so."""
    is_progress: Callable[[C, C], bool] = lambda _after, _before: False
    """Whether a change, given as the object after and before, calls for no action."""

    def trimmed(self, objects: Iterable[JsonObject]) -> list[C]:
        return _trimmed(self.kind, objects, self.trim, self._known)

    def replace(self, objects: Iterable[C], version: int, *, seen: int) -> None:
        for key in self.store.replace(self.namespace, objects, version, seen=seen):
            self.on_change(key)

    def apply(self, obj: JsonObject, version: int, *, born: bool) -> None:  # noqa: ARG002 - irrelevant for a child
        if _is_current(self._known(*_identity(obj)), version):
            return
        for trimmed in self.trimmed((obj,)):
            before = self.store.get(trimmed.namespace, trimmed.name)
            if self.store.apply(trimmed):
                if before is not None and self.is_progress(trimmed, before):
                    _call(self.store.owner_key(trimmed), self.on_progress or self.on_change)
                    continue
                for key in {self.store.owner_key(trimmed), self.store.owner_key(before) if before else None}:
                    _call(key, self.on_change)

    def remove(self, obj: JsonObject, version: int) -> None:
        namespace, name, uid = _identity(obj)
        gone = self.store.remove(namespace, name, uid, version)
        if gone is not None:
            _call(self.store.owner_key(gone), self.on_change)

    def _known(self, namespace: str, name: str, uid: str) -> C | None:
        known = self.store.get(namespace, name)
        return known if known is not None and known.uid == uid else None


class RootSink(Struct, frozen=True):
    """Root objects; `wake` is called with the key when anything that we read has changed."""

    resource: Resource
    namespace: str | None
    store: RootStore
    wake: Callable[[Key], None]

    def trimmed(self, objects: Iterable[JsonObject]) -> list[RootRecord]:
        return _trimmed(self.resource.plural, objects, self.store.record, self._known)

    def replace(self, objects: Iterable[RootRecord], version: int, *, seen: int) -> None:
        for key in self.store.replace(self.namespace, objects, version, seen=seen):
            self.wake(key)

    def apply(self, obj: JsonObject, version: int, *, born: bool) -> None:
        if _is_current(self._known(*_identity(obj)), version):
            return
        for record in self.trimmed((obj,)):
            if self.store.take(record, born=born):
                self.wake(record.key)

    def remove(self, obj: JsonObject, version: int) -> None:  # noqa: ARG002 - a uid never comes back
        namespace, name, uid = _identity(obj)
        self.store.remove(Key(self.resource.kind, namespace, name), uid)
        self.wake(Key(self.resource.kind, namespace, name))

    def _known(self, namespace: str, name: str, uid: str) -> RootRecord | None:
        return self.store.known(Key(self.resource.kind, namespace, name), uid)


def _is_current(known: Trimmed | RootRecord | None, version: int) -> bool:
    """Whether an object is stored as of `version`, as when the response to our own write arrived first."""
    return known is not None and version <= known.resource_version


def _call(key: Key | None, callback: Callable[[Key], None]) -> None:
    if key is not None:
        callback(key)


def _identity(obj: JsonObject) -> tuple[str, str, str]:
    given = obj.get("metadata") if isinstance(obj, Mapping) else None
    metadata: Any = given if isinstance(given, Mapping) else {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name")), str(metadata.get("uid"))


def _trimmed(
    kind: str,
    objects: Iterable[JsonObject],
    trim: Callable[[JsonObject], T],
    known: Callable[[str, str, str], T | None],
) -> list[T]:
    trimmed = []
    for obj in objects:
        try:
            trimmed.append(trim(obj))
        except UNTRIMMABLE as error:
            namespace, name, uid = _identity(obj)
            log.warning("Cannot read %s %s/%s: unexpected shape: %r", kind, namespace, name, error)
            before = known(namespace, name, uid)
            if before is not None:
                trimmed.append(before)
    return trimmed
