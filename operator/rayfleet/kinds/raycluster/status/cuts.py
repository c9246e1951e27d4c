"""A status is never above 64 KiB: texts and lists are cut, with a count of what is left out.

The limit is far below what the API server and etcd take, as each write of a status goes to everybody who
watches. What tools poll (`state`, sizes, conditions, the head) is never cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from rayfleet.api.base import MOST_GROUPS
from rayfleet.autoscaling.words import counted, printable, several

MOST_BYTES: Final = 64 * 1024
"""Of the status as JSON, counted as etcd keeps it."""
_OURS: Final = frozenset(
    {
        *("state", "desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU", "lastUpdateTime"),
        *("stateTransitionTimes", "endpoints", "head", "readyWorkerReplicas", "availableWorkerReplicas"),
        *("desiredWorkerReplicas", "minWorkerReplicas", "maxWorkerReplicas", "observedGeneration"),
        *("conditions", "headEpoch", "workerGroups", "autoscaler", "unknownFields", "leftOut"),
    }
)
_CONDITION: Final = ("type", "status", "lastTransitionTime", "observedGeneration")
_HEAD: Final = frozenset({"podIP", "podName", "serviceIP", "serviceName"})


class _Level(NamedTuple):
    """How much is kept."""

    words: int
    """Characters of one text."""
    entries: int
    """Of each list in `autoscaler`."""
    ports: int
    """Of `endpoints`."""
    others: int
    """Conditions of others; what they have put beside our fields goes as soon as these are counted."""


_COUNTED: Final = len("… and 1000000 more characters")
_ALL: Final = 1_000_000
_LONGEST_NAME: Final = 253
_MOST_NAMES: Final = 30
_LEVELS: Final = (
    _Level(512, 20, 1000, _ALL),
    _Level(256, 10, 300, _ALL),
    _Level(128, 5, 100, _ALL),
    _Level(64, 2, 30, _ALL),
    _Level(64, 2, 30, 20),
    _Level(32, 0, 10, 0),
)


def cut(words: str, longest: int) -> str:
    """The words without control characters, in so many characters at most, and how many more there are."""
    words = printable(words)
    if len(words) <= longest:
        return words
    kept = longest - _COUNTED if longest > 2 * _COUNTED else longest - 1
    more = f" and {len(words) - kept} more characters" if kept < longest - 1 else ""
    return f"{words[:kept]}…{more}"


def listed(parts: Sequence[str], longest: int) -> str:
    """As many parts as fit, and how many more there are; a long part is cut rather than left out alone."""
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


def within_limit(status: Mapping[str, Any], ours: frozenset[str]) -> dict[str, Any]:
    """The status, cut as far as its size asks for; `ours` are the conditions that this operator writes."""
    whole = {name: value for name, value in status.items() if name != "leftOut"}
    if size_of(whole) <= MOST_BYTES:
        return whole
    level = _level_of(whole, ours)
    if level.others < _ALL:
        # What others lose is never there again: the next pass must come to the same without it.
        whole = _with_less_of_others(level, whole, ours)
        if size_of(whole) <= MOST_BYTES:
            return whole
        level = _level_of(whole, ours)
    smaller = _at(level, whole, ours)
    if size_of(smaller) <= MOST_BYTES:
        return smaller
    whole = {name: _bounded(value) for name, value in whole.items()}
    return whole if size_of(whole) <= MOST_BYTES else _at(_level_of(whole, ours), whole, ours)


def _level_of(whole: Mapping[str, Any], ours: frozenset[str]) -> _Level:
    """The first at which it fits."""
    return next((level for level in _LEVELS if size_of(_at(level, whole, ours)) <= MOST_BYTES), _LEVELS[-1])


def _bounded(value: object) -> object:
    """Any value in little room: what is so large by now was written by somebody else."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_NAME else ""
    if isinstance(value, Mapping):
        names = sorted(name for name in value if len(name) <= _LONGEST_NAME)[:_MOST_NAMES]
        return {name: _bounded(value[name]) for name in names}
    if isinstance(value, Sequence):
        return [_bounded(inner) for inner in value[:MOST_GROUPS]]
    return value


def size_of(status: Mapping[str, Any]) -> int:
    """Bytes as JSON. The API server writes the characters of HTML in six."""
    raw = orjson.dumps(status)
    return len(raw) + 5 * sum(raw.count(character) for character in (b"<", b">", b"&"))


def _at(level: _Level, whole: Mapping[str, Any], ours: frozenset[str]) -> dict[str, Any]:
    smaller, left = dict(whole), dict[str, int]()
    smaller["conditions"] = list(_conditions(level, whole.get("conditions") or (), ours, left))
    if isinstance(whole.get("autoscaler"), Mapping):
        smaller["autoscaler"] = _autoscaler(level, whole["autoscaler"], left)
    endpoints = whole.get("endpoints")
    if isinstance(endpoints, Mapping) and len(endpoints) > level.ports:
        smaller["endpoints"] = {name: endpoints[name] for name in sorted(endpoints)[: level.ports]}
        left["port"] = len(endpoints) - level.ports
    if level.others < _ALL:
        smaller = _with_less_of_others(level, smaller, ours)
    said = [counted(count, what) for what, count in left.items() if count]
    smaller["leftOut"] = ", ".join([*said, f"of each text what is above {level.words} characters"])
    return smaller


def _with_less_of_others(level: _Level, whole: Mapping[str, Any], ours: frozenset[str]) -> dict[str, Any]:
    """Without most of what is not of our writing; ours is whole."""
    smaller = {name: value for name, value in whole.items() if name in _OURS}
    conditions = whole.get("conditions") or ()
    others = [entry for entry in conditions if entry.get("type") not in ours]
    kept = _conditions(level, others, ours, {})
    placed = (entry if entry.get("type") in ours else next(kept, None) for entry in conditions)
    smaller["conditions"] = [entry for entry in placed if entry is not None]
    if isinstance(smaller.get("head"), Mapping):
        smaller["head"] = {name: value for name, value in smaller["head"].items() if name in _HEAD}
    times = smaller.get("stateTransitionTimes")
    if isinstance(times, Mapping):
        smaller["stateTransitionTimes"] = {
            name: times[name] for name in sorted(times, key=len)[:10] if len(name) <= level.words
        }
    if "state" in smaller:
        smaller["state"] = cut(str(smaller["state"]), level.words)
    if "workerGroups" in smaller:
        smaller["workerGroups"] = list(smaller["workerGroups"] or ())[:MOST_GROUPS]
    return smaller


def _conditions(
    level: _Level, conditions: Sequence[Mapping[str, Any]], ours: frozenset[str], left: dict[str, int]
) -> Iterator[Mapping[str, Any]]:
    others = 0
    for entry in conditions:
        mine = entry.get("type") in ours
        others += not mine
        if not mine and others > level.others:
            left["condition"] = others - level.others
        elif mine:
            yield {**entry, "message": cut(str(entry.get("message") or ""), level.words)}
        elif level.others == _ALL:
            yield entry
        else:
            texts = {name: cut(str(entry.get(name) or ""), level.words) for name in ("reason", "message")}
            yield {**{name: entry[name] for name in _CONDITION if name in entry}, **texts}


def _autoscaler(level: _Level, autoscaler: Mapping[str, Any], left: dict[str, int]) -> dict[str, Any]:
    smaller = dict(autoscaler)
    smaller["summary"] = cut(str(autoscaler.get("summary") or ""), level.words)
    queue = autoscaler.get("queue")
    if isinstance(queue, Mapping) and "message" in queue:
        smaller["queue"] = {**queue, "message": cut(str(queue["message"]), level.words)}
    unserved, faults = list(autoscaler.get("unserved") or ()), list(autoscaler.get("faults") or ())
    left["demand"] = max(len(unserved) - level.entries, 0)
    left["fault"] = max(len(faults) - level.entries, 0)
    smaller["unserved"] = [
        {**entry, "message": cut(str(entry.get("message") or ""), level.words)}
        for entry in unserved[: level.entries]
    ]
    smaller["faults"] = [cut(str(fault), level.words) for fault in faults[: level.entries]]
    return {name: value for name, value in smaller.items() if value != []}
