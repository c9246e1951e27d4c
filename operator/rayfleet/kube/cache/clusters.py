"""The cache of one kind that users write, kept compact."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from rayfleet.api.nesting import shallow, shallow_spec
from rayfleet.kube.cache.recent import Recent
from rayfleet.kube.cache.tombstones import Tombstones
from rayfleet.kube.objects.keys import Key, Owner, controller_of
from rayfleet.kube.objects.roots import Root, known_finalizers
from rayfleet.kube.objects.timestamps import unix_seconds

UNREAD_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
"""A second copy of the spec, which the operator does not read."""

UNPACKED = 128
"""Statuses, and different specs, kept unpacked for the next read: of as many clusters as a burst of passes is
likely to touch. Clusters made from one template share their spec."""
LARGEST_UNPACKED = 4 << 20
"""Bytes of JSON of all these statuses, and of all these specs: unpacked they take four times the memory."""


class RootRecord(Struct, frozen=True):
    """An object with its spec and status as JSON: 26 KB of JSON take 103 KiB as dictionaries."""

    key: Key
    uid: str
    resource_version: int
    generation: int
    created: float
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: bytes
    status: bytes
    born: int = 0
    """Its resourceVersion when it was created, if we saw that; else 0."""
    deleted: float = 0.0
    finalizers: frozenset[str] = frozenset()
    owner: Owner | None = None

    def same_as(self, other: "RootRecord") -> bool:
        """Whether everything but the resourceVersion is equal."""
        return (
            self.uid == other.uid
            and self.generation == other.generation
            and self.deleting == other.deleting
            and self.finalizers == other.finalizers
            and self.status == other.status
            and self.spec == other.spec
            and self.labels == other.labels
            and self.annotations == other.annotations
            and self.owner == other.owner
        )


class Glance(Struct, frozen=True):
    """What metrics read: everything but the spec, which takes longest to unpack."""

    key: Key
    uid: str
    created: float
    """Unix seconds, of the object's creationTimestamp."""
    labels: Mapping[str, str]
    status: Mapping[str, Any]


class RootStore:
    """Objects of one kind by key, fed by the watch, by lists and by the answers to reads and status writes.

    The rules are those of `Store`: never back in resourceVersion, no ghosts, and only a change of what we
    read counts as one. See the note in `store.py` on answers that enter the cache before their events.
    """

    def __init__(self, kind: str, on_answer: Callable[[Key], None] = lambda _: None) -> None:
        """`on_answer` is called when an answer has changed an object: its event will change nothing more."""
        self._kind = kind
        self._on_answer = on_answer
        self._records: dict[Key, RootRecord] = {}
        self._gone = Tombstones()
        self._statuses: Recent[Key, tuple[bytes, Mapping[str, Any]]] = Recent(UNPACKED, LARGEST_UNPACKED)
        self._specs: Recent[bytes, tuple[bytes, Mapping[str, Any]]] = Recent(UNPACKED, LARGEST_UNPACKED)
        """By content, the bytes that clusters share, and the spec."""

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def keys(self) -> tuple[Key, ...]:
        return tuple(self._records)

    def get(self, key: Key) -> Root | None:
        """The cluster with its spec and status unpacked; both are shared and must not be changed."""
        record = self._records.get(key)
        if record is None:
            return None
        return _unpacked(record, self._spec(record.spec), self._status(record))

    def _status(self, record: RootRecord) -> Mapping[str, Any]:
        known = self._statuses.get(record.key)
        if known is None or known[0] is not record.status:
            known = record.status, orjson.loads(record.status)
            self._statuses.put(record.key, known, len(record.status))
        return known[1]

    def _spec(self, packed: bytes) -> Mapping[str, Any]:
        known = self._specs.get(packed)
        if known is None:
            known = packed, orjson.loads(packed)
            self._specs.put(packed, known, len(packed))
        return known[1]

    def owner(self, key: Key) -> Owner | None:
        """What controls an object, without unpacking anything."""
        record = self._records.get(key)
        return None if record is None else record.owner

    def owned_by(self, owner: Key, uid: str) -> Iterator[Root]:
        """The objects that this one controls, by its uid. Looks at every object of the kind."""
        for key, record in tuple(self._records.items()):
            if record.owner is not None and record.owner.uid == uid and key.namespace == owner.namespace:
                yield _unpacked(record, self._spec(record.spec), self._status(record))

    def generation(self, key: Key) -> int | None:
        """The generation of the cluster's spec, without unpacking anything."""
        record = self._records.get(key)
        return None if record is None else record.generation

    def stored_spec(self, key: Key) -> bytes | None:
        """The cluster's spec as JSON, as stored here; safe to share, as bytes never change."""
        record = self._records.get(key)
        return None if record is None else record.spec

    def glance(self, key: Key) -> Glance | None:
        """The cluster without its spec, for callers that read all clusters often."""
        record = self._records.get(key)
        if record is None:
            return None
        return Glance(key, record.uid, record.created, record.labels, orjson.loads(record.status))

    def known(self, key: Key, uid: str) -> RootRecord | None:
        """The stored record of the cluster, if it has this uid."""
        record = self._records.get(key)
        return record if record is not None and record.uid == uid else None

    def record(self, obj: Mapping[str, Any]) -> RootRecord:
        """The record of a RayCluster object; nothing is stored yet."""
        metadata = obj["metadata"]
        key = Key(self._kind, metadata["namespace"], metadata["name"])
        return _record(obj, key, self._records.get(key), self._shared)

    def _shared(self, spec: bytes) -> bytes:
        """The bytes of this content that other clusters hold, if there are any."""
        known = self._specs.get(spec)
        return spec if known is None else known[0]

    def apply(self, obj: Mapping[str, Any], *, seen: int = 0, born: bool = False) -> bool:
        """Store the object of an answer; return whether anything that we read has changed.

        `born` means that this is the object as it was created, not one that existed before. After a
        consistent read, `seen` is the cluster's resourceVersion before the read was sent: an older answer
        means that the server went back in time, and then the answer is right.
        """
        record = self.record(obj)
        changed = self.take(record, seen=seen, born=born)
        if changed:
            self._on_answer(record.key)
        return changed

    def take(self, record: RootRecord, *, seen: int = 0, born: bool = False) -> bool:
        """`apply` for what the watch shows."""
        if record.resource_version < seen:
            self._gone.clear()
            self._records.pop(record.key, None)
        before = self._records.get(record.key)
        if self._gone.covers(record.uid, record.resource_version):
            return False
        if before is not None and record.resource_version <= before.resource_version:
            return False
        if before is not None and before.uid != record.uid:
            self._gone.bury(before.uid, None)
        if before is not None and before.uid == record.uid:
            record = replace(record, born=before.born)
        elif born:
            record = replace(record, born=record.resource_version)
        self._records[record.key] = record
        return before is None or not record.same_as(before)

    def replace(
        self,
        namespace: str | None,
        records: Iterable[RootRecord],
        list_resource_version: int,
        *,
        seen: int = 0,
    ) -> set[Key]:
        """Store a complete consistent list of a namespace (None: of all); return the keys of what changed.

        What the list lacks is gone, unless it is newer than the list. `seen` is the highest resourceVersion
        that the watch had shown before the list was requested: an older list means that the server went
        back in time (its storage was restored), and then only the list is right.
        """
        there = {key: record for key, record in self._records.items() if namespace in {None, key.namespace}}
        if list_resource_version < seen:
            self._gone.clear()
            for key in there:
                del self._records[key]
            listed = {record.key: record for record in records}
            self._records |= listed
            return {
                key
                for key in there.keys() | listed.keys()
                if key not in there or key not in listed or not listed[key].same_as(there[key])
            }
        changed, uids = set(), dict[Key, str]()
        for record in records:
            uids[record.key] = record.uid
            if self.take(record):
                changed.add(record.key)
        for key, record in there.items():
            if uids.get(key) != record.uid and record.resource_version <= list_resource_version:
                changed |= {key} if self.remove(key, record.uid) else set()
        return changed

    def remove(self, key: Key, uid: str) -> bool:
        """Drop a cluster that is gone for good; return whether it was stored."""
        self._gone.bury(uid, None)
        record = self._records.get(key)
        if record is None or record.uid != uid:
            return False
        self._statuses.drop(key)
        del self._records[key]
        return True


def _unpacked(record: RootRecord, spec: Mapping[str, Any], status: Mapping[str, Any]) -> Root:
    return Root(
        key=record.key,
        uid=record.uid,
        resource_version=record.resource_version,
        generation=record.generation,
        deleting=record.deleting,
        labels=record.labels,
        annotations=record.annotations,
        spec=spec,
        status=status,
        born=record.born,
        deleted=record.deleted,
        finalizers=record.finalizers,
        owner=record.owner,
        created=record.created,
    )


def _record(
    obj: Mapping[str, Any], key: Key, before: RootRecord | None, shared: Callable[[bytes], bytes]
) -> RootRecord:
    """The new record shares unchanged bytes with `before`, as others hold on to them, or with other roots."""
    metadata = obj["metadata"]
    spec = _packed(obj.get("spec") or {}, shallow_spec)
    labels: Mapping[str, str] = dict(metadata.get("labels") or {})
    written = metadata.get("annotations") or {}
    annotations: Mapping[str, str] = {n: text for n, text in written.items() if n not in UNREAD_ANNOTATIONS}
    if before is not None:
        spec = before.spec if before.spec == spec else shared(spec)
        labels = before.labels if before.labels == labels else labels
        annotations = before.annotations if before.annotations == annotations else annotations
    else:
        spec = shared(spec)
    return RootRecord(
        key=key,
        uid=str(metadata["uid"]),
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata.get("generation") or 0,
        created=unix_seconds(metadata.get("creationTimestamp")),
        deleting="deletionTimestamp" in metadata,
        labels=labels,
        annotations=annotations,
        spec=spec,
        status=_packed(obj.get("status") or {}, shallow),
        deleted=unix_seconds(metadata.get("deletionTimestamp")),
        finalizers=known_finalizers(metadata),
        owner=controller_of(metadata),
    )


def _packed(value: Mapping[str, Any], without_depths: Callable[[Mapping[str, Any]], object]) -> bytes:
    """Equal bytes for equal values, in no more memory than they need.

    What orjson returns holds on to the buffer it was written in, which is two to eight times as large.
    """
    try:
        raw = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # It was read as JSON, so it can only be nested too deeply.
        raw = orjson.dumps(without_depths(value), option=orjson.OPT_SORT_KEYS)
    return bytes(memoryview(raw))
