"""The cache of our own kind: RayClusters, kept compact."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from rayfleet.cache.tombstones import Tombstones
from rayfleet.snapshot import Cluster, Key
from rayfleet.timestamps import unix_seconds

UNREAD_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
"""A second copy of the spec, which nobody here reads."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A cluster with its spec and status as JSON: 26 KB of it take 103 KiB as dictionaries."""

    uid: str
    resource_version: int
    generation: int
    created: float
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: bytes
    status: bytes
    born: int

    def same_as(self, other: "_Record") -> bool:
        """Whether all that we look at is equal: everything but the resourceVersion."""
        return (
            self.uid == other.uid
            and self.generation == other.generation
            and self.deleting == other.deleting
            and self.status == other.status
            and self.spec == other.spec
            and self.labels == other.labels
            and self.annotations == other.annotations
        )


@dataclass(frozen=True, slots=True)
class Glance:
    """What metrics look at: all but the spec, which takes longest to unpack."""

    key: Key
    uid: str
    created: float
    """Unix seconds, of the object's creationTimestamp."""
    labels: Mapping[str, str]
    status: Mapping[str, Any]


class ClusterStore:
    """RayClusters by key, fed by kopf's events and by the answers to reads and status writes.

    The rules are those of `Store`: never back in resourceVersion, no ghosts, and a change is a change of
    what we look at. So the echo of our own status write, whose answer was applied before, wakes nobody.
    """

    def __init__(self) -> None:
        self._records: dict[Key, _Record] = {}
        self._gone = Tombstones()

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys())

    def keys(self) -> tuple[Key, ...]:
        return tuple(self._records)

    def get(self, key: Key) -> Cluster | None:
        """The cluster, its spec and status unpacked anew for this call."""
        record = self._records.get(key)
        if record is None:
            return None
        return Cluster(
            key=key,
            uid=record.uid,
            resource_version=record.resource_version,
            generation=record.generation,
            deleting=record.deleting,
            labels=record.labels,
            annotations=record.annotations,
            spec=orjson.loads(record.spec),
            status=orjson.loads(record.status),
            born=record.born,
        )

    def generation(self, key: Key) -> int | None:
        """Of the cluster's spec, without unpacking anything."""
        record = self._records.get(key)
        return None if record is None else record.generation

    def stored_spec(self, key: Key) -> bytes | None:
        """The cluster's spec as JSON, as it is kept here; to be shared, as bytes never change."""
        record = self._records.get(key)
        return None if record is None else record.spec

    def glance(self, key: Key) -> Glance | None:
        """The cluster without its spec, for those who look at all of them often."""
        record = self._records.get(key)
        if record is None:
            return None
        return Glance(key, record.uid, record.created, record.labels, orjson.loads(record.status))

    def apply(self, obj: Mapping[str, Any], *, seen: int = 0, born: bool = False) -> bool:
        """Take in a RayCluster object; whether that changes anything we look at.

        `born` says that this is the object as it was created, rather than one that was there before.
        After a consistent read, `seen` is the cluster's resourceVersion before the read was sent: an
        answer from before that means that the server went back in time, and then the answer is true.
        """
        metadata = obj["metadata"]
        key, uid = Key(metadata["namespace"], metadata["name"]), str(metadata["uid"])
        version = int(metadata["resourceVersion"])
        if version < seen:
            self._gone.clear()
            self._records.pop(key, None)
        before = self._records.get(key)
        if self._gone.covers(uid, version) or (before is not None and version <= before.resource_version):
            return False
        if before is not None and before.uid != uid:
            self._gone.bury(before.uid, None)
        record = self._records[key] = _record(obj, uid, version, version if born else 0, before)
        return before is None or not record.same_as(before)

    def remove(self, key: Key, uid: str) -> bool:
        """Drop a cluster that is gone for good; whether it was there."""
        self._gone.bury(uid, None)
        record = self._records.get(key)
        if record is None or record.uid != uid:
            return False
        del self._records[key]
        return True

    def retain(self, namespace: str | None, uids: Mapping[Key, str], list_resource_version: int) -> set[Key]:
        """Drop what a consistent list of a namespace (none: of all) lacks; the keys of what was dropped.

        For deletions that no event told of. A cluster that is newer than the list stays.
        """
        missed = {
            key
            for key, record in self._records.items()
            if namespace in {None, key.namespace}
            and uids.get(key) != record.uid
            and record.resource_version <= list_resource_version
        }
        for key in missed:
            self.remove(key, self._records[key].uid)
        return missed


def _record(obj: Mapping[str, Any], uid: str, version: int, born: int, before: _Record | None) -> _Record:
    """`before` lends the new record what has not changed, as others hold on to the same bytes."""
    if before is not None and before.uid == uid:
        born = before.born
    spec = _packed(obj.get("spec") or {})
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    return _Record(
        uid=uid,
        resource_version=version,
        generation=metadata.get("generation") or 0,
        created=unix_seconds(metadata.get("creationTimestamp")),
        deleting="deletionTimestamp" in metadata,
        labels=dict(metadata.get("labels") or {}),
        annotations={name: text for name, text in annotations.items() if name not in UNREAD_ANNOTATIONS},
        spec=before.spec if before is not None and before.spec == spec else spec,
        status=_packed(obj.get("status") or {}),
        born=born,
    )


def _packed(value: Mapping[str, Any]) -> bytes:
    """Equal bytes for equal values, in as much memory as they need.

    What orjson returns holds on to the buffer it was written in, which is two to eight times as large.
    """
    return bytes(memoryview(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)))
