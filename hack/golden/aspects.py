"""The result of one pass, split into aspects that may differ for different reasons.

A difference in `hashes` or `bodies` recreates pods in every user's cluster; one in `words` is prose.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

ASPECTS: Final = ("names", "bodies", "hashes", "actions", "sizes", "status", "events", "words")
WORDS: Final = frozenset({"message", "note", "summary", "faults"})
"""Keys of messages for people, in decisions, in the status and in events."""
TEMPLATE_HASH: Final = "rayfleet.io/template-hash"
_DIGITS: Final = 12
"""Significant digits of a number, because sums of floats differ in the last ones between Python versions."""


def aspects_of(planned: Json, visible: Json) -> Json:
    """One pass: what was planned, and what users see."""
    creates = [action for action in planned["actions"] if action["verb"] == "create"]
    rest = {name: value for name, value in planned.items() if name not in {"sizes", "scaling"}}
    rest["actions"] = [_without(action, {"body", "templateHash"}) for action in planned["actions"]]
    sizes = {name: planned[name] for name in ("sizes", "scaling")} | {"toRay": visible["toRay"]}
    status = {name: visible[name] for name in ("status", "changed", "urgent", "withoutHead")}
    facts = {"actions": rest, "sizes": sizes, "status": status, "events": visible["events"]}
    words = {path: text for aspect, value in facts.items() for path, text in _words(value, aspect)}
    return {
        "names": [metadata_of(action["kind"], action["body"]) for action in creates],
        "bodies": {action["name"]: _without(action["body"], {"metadata"}) for action in creates},
        "hashes": {action["name"]: _hash(action) for action in creates if action["kind"] == "Pod"},
        **{aspect: _facts(value) for aspect, value in facts.items()},
        "words": words,
    }


def digests(passes: Iterable[Json]) -> dict[str, str]:
    """A short digest of each aspect, which differs if anything in the aspect does."""
    each = list(passes)
    return {aspect: _digest([one_pass[aspect] for one_pass in each]) for aspect in ASPECTS}


def metadata_of(kind: str, body: Json) -> Json:
    """An object's name, owner, labels and annotations, without its template hash."""
    annotations = _without(body["metadata"].get("annotations") or {}, {TEMPLATE_HASH})
    return {"kind": kind, **body["metadata"], "annotations": annotations}


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """As JSON: no tuples, and numbers without the last digits, which depend on the order of addition."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _hash(action: Json) -> str:
    """The pod's hash, and the plan's if they differ."""
    noted, planned = action["body"]["metadata"]["annotations"].get(TEMPLATE_HASH), action["templateHash"]
    return str(noted) if noted == planned else f"{noted} in the pod, {planned} in the plan"


def _without(given: Mapping[str, Any], keys: set[str]) -> Json:
    return {name: value for name, value in given.items() if name not in keys}


def _facts(value: Any) -> Any:  # noqa: ANN401 - JSON
    """`value` without its messages."""
    if isinstance(value, Mapping):
        return {name: _facts(inner) for name, inner in value.items() if name not in WORDS}
    return [_facts(inner) for inner in value] if isinstance(value, list | tuple) else value


def _words(value: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """Every message, by its path."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in WORDS:
                yield f"{path}.{name}", inner
            else:
                yield from _words(inner, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _words(inner, f"{path}[{index}]")


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
