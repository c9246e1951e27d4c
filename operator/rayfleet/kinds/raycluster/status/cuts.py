"""A status never exceeds 64 KiB: texts and lists are cut, with a count of what is left out.

The limit is far below that of the API server and etcd, because each status write goes to every watcher. What
tools poll (`state`, sizes, conditions, the head) is never cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from rayfleet.api.base import MOST_GROUPS
from rayfleet.api.condition import StatusCondition
from rayfleet.api.raycluster.status import (
    AutoscalerStatus,
    HeadStatus,
    QueueStatus,
    RayClusterStatus,
    UnservedDemand,
    WorkerGroupStatus,
    recorded,
)
from rayfleet.autoscaling.words import counted, cut, several

MOST_BYTES: Final = 64 * 1024
"""The largest status as JSON, counted as etcd stores it."""
_NOT_OURS: Final = frozenset({"reason"})
"""Known fields that this operator does not write."""
_OURS: Final = tuple(name for name in RayClusterStatus.fields if name not in _NOT_OURS)
_OF_OTHERS: Final = ("type", "status", "last_transition_time", "observed_generation")
"""Fields kept of others' conditions, besides their texts."""


class _Level(NamedTuple):
    """How much is kept."""

    words: int
    """Characters of one text."""
    groups: int
    """Characters of a group's message; with 0 only its reason is kept."""
    entries: int
    """Entries of each list in `autoscaler`."""
    ports: int
    """Entries of `endpoints`."""
    others: int
    """Conditions of others; once these are limited, others' additions to our fields are dropped."""


_ALL: Final = 1_000_000
_LONGEST_NAME: Final = 253
_MOST_NAMES: Final = 30
_LEVELS: Final = (
    _Level(512, 256, 20, 1000, _ALL),
    _Level(256, 128, 10, 300, _ALL),
    _Level(128, 64, 5, 100, _ALL),
    _Level(64, 0, 2, 30, _ALL),
    _Level(64, 0, 2, 30, 20),
    _Level(32, 0, 0, 10, 0),
)


def listed(parts: Sequence[str], longest: int) -> str:
    """As many parts as fit, and a count of the rest; a single long part is cut, not left out."""
    whole = "; ".join(parts)
    if len(whole) <= longest or not parts:
        return cut(whole, longest)
    more = f"; and {len(parts)} more"
    kept, room = [], longest - len(more)
    for part in (cut(part, longest // 2) for part in parts):
        if len(part) > room:
            break
        kept.append(part)
        room -= len(part) + len("; ")
    return several(kept, len(parts), "; ", "; and ")


def within_limit(status: RayClusterStatus, ours: frozenset[str]) -> RayClusterStatus:
    """The status, cut as far as its size requires; `ours` are the conditions that this operator writes."""
    whole = status.without("left_out")
    if size_of(whole.wire) <= MOST_BYTES:
        return whole
    level = _level_of(whole, ours)
    if level.others < _ALL:
        # What others lose does not come back: the next pass must have the same result without it.
        whole = _with_less_of_others(level, whole, ours)
        if size_of(whole.wire) <= MOST_BYTES:
            return whole
        level = _level_of(whole, ours)
    smaller = _at(level, whole, ours)
    if size_of(smaller.wire) <= MOST_BYTES:
        return smaller
    whole = recorded({name: _bounded(value) for name, value in whole.wire.items()})
    return whole if size_of(whole.wire) <= MOST_BYTES else _at(_level_of(whole, ours), whole, ours)


def _level_of(whole: RayClusterStatus, ours: frozenset[str]) -> _Level:
    """The first level at which the status fits."""
    return next(
        (level for level in _LEVELS if size_of(_at(level, whole, ours).wire) <= MOST_BYTES), _LEVELS[-1]
    )


def _bounded(value: object) -> object:
    """Any value made small: whatever is still this large was written by somebody else."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_NAME else ""
    if isinstance(value, Mapping):
        names = sorted(name for name in value if len(name) <= _LONGEST_NAME)[:_MOST_NAMES]
        return {name: _bounded(value[name]) for name in names}
    if isinstance(value, Sequence):
        return [_bounded(inner) for inner in value[:MOST_GROUPS]]
    return value


def size_of(status: Mapping[str, Any]) -> int:
    """Bytes as JSON. The API server encodes each HTML character in six bytes."""
    raw = orjson.dumps(status)
    return len(raw) + 5 * sum(raw.count(character) for character in (b"<", b">", b"&"))


def _at(level: _Level, whole: RayClusterStatus, ours: frozenset[str]) -> RayClusterStatus:
    left = dict[str, int]()
    smaller = whole | RayClusterStatus(conditions=tuple(_conditions(level, whole.conditions, ours, left)))
    if whole.autoscaler:
        smaller |= RayClusterStatus(autoscaler=_autoscaler(level, whole.autoscaler, left))
    if any(group.message for group in whole.worker_groups):
        groups = tuple(_group(level, group, left) for group in whole.worker_groups)
        smaller |= RayClusterStatus(worker_groups=groups)
    endpoints = whole.endpoints
    if len(endpoints) > level.ports:
        few = {name: endpoints[name] for name in sorted(endpoints)[: level.ports]}
        smaller |= RayClusterStatus(endpoints=few)
        left["port"] = len(endpoints) - level.ports
    if level.others < _ALL:
        smaller = _with_less_of_others(level, smaller, ours)
    counts = [counted(count, what) for what, count in left.items() if count]
    rest = f"every text beyond {level.words} characters"
    return smaller | RayClusterStatus(left_out=", ".join([*counts, rest]))


def _with_less_of_others(level: _Level, whole: RayClusterStatus, ours: frozenset[str]) -> RayClusterStatus:
    """The status without most of what others wrote; ours is complete."""
    smaller = whole.only(*_OURS)
    others = [entry for entry in whole.conditions if entry.type not in ours]
    kept = _conditions(level, others, ours, {})
    placed = (entry if entry.type in ours else next(kept, None) for entry in whole.conditions)
    smaller |= RayClusterStatus(conditions=tuple(entry for entry in placed if entry is not None))
    if whole.has("head"):
        smaller |= RayClusterStatus(head=whole.head.only(*HeadStatus.fields))
    if whole.has("state_transition_times"):
        times = whole.state_transition_times
        few = [name for name in sorted(times, key=len)[:10] if len(name) <= level.words]
        smaller |= RayClusterStatus(state_transition_times={name: times[name] for name in few})
    if whole.has("state"):
        smaller |= RayClusterStatus(state=cut(whole.state, level.words))
    if whole.has("worker_groups"):
        smaller |= RayClusterStatus(worker_groups=whole.worker_groups[:MOST_GROUPS])
    return smaller


def _conditions(
    level: _Level, conditions: Sequence[StatusCondition], ours: frozenset[str], left: dict[str, int]
) -> Iterator[StatusCondition]:
    others = 0
    for entry in conditions:
        mine = entry.type in ours
        others += not mine
        if not mine and others > level.others:
            left["condition"] = others - level.others
        elif mine:
            yield entry | StatusCondition(message=cut(entry.message, level.words))
        elif level.others == _ALL:
            yield entry
        else:
            texts = StatusCondition(
                reason=cut(entry.reason, level.words), message=cut(entry.message, level.words)
            )
            yield entry.only(*_OF_OTHERS) | texts


def _group(level: _Level, group: WorkerGroupStatus, left: dict[str, int]) -> WorkerGroupStatus:
    if not group.message:
        return group
    if not level.groups:
        left["message"] = left.get("message", 0) + 1
        return group.without("message")
    return group | WorkerGroupStatus(message=cut(group.message, level.groups))


def _autoscaler(level: _Level, autoscaler: AutoscalerStatus, left: dict[str, int]) -> AutoscalerStatus:
    unserved, faults = autoscaler.unserved, autoscaler.faults
    left["demand"] = max(len(unserved) - level.entries, 0)
    left["fault"] = max(len(faults) - level.entries, 0)
    smaller = autoscaler.without("unserved", "faults")
    smaller |= AutoscalerStatus(summary=cut(autoscaler.summary, level.words))
    if queue := autoscaler.queue.message:
        message = QueueStatus(message=cut(queue, level.words))
        smaller |= AutoscalerStatus(queue=autoscaler.queue | message)
    if few := unserved[: level.entries]:
        shorter = [entry | UnservedDemand(message=cut(entry.message, level.words)) for entry in few]
        smaller |= AutoscalerStatus(unserved=tuple(shorter))
    if first := faults[: level.entries]:
        smaller |= AutoscalerStatus(faults=tuple(cut(fault, level.words) for fault in first))
    return smaller
