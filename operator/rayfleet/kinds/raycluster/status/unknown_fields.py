"""Fields of pod templates that this Kubernetes does not know, from the warnings of its API server.

The CRD keeps unknown fields, so that no field of a newer Kubernetes is lost; the first pod created with a
misspelt field reveals it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rayfleet.api.names import HEAD_GROUP
from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.kinds.raycluster.plan import CreatePod
from rayfleet.kinds.raycluster.snapshot import Snapshot

MOST: Final = 20
"""Most fields that are named."""
_LONGEST: Final = 200
_UNKNOWN: Final = re.compile(r'unknown field "((?:spec|metadata)[A-Za-z0-9_.\[\]-]*)"')
_PATH: Final = re.compile(
    r"spec\.(?:headGroupSpec|workerGroupSpecs\[[0-9]{1,6}\])\.template\.[A-Za-z0-9_.\[\]-]{1,200}"
)
_STEP: Final = re.compile(r"\.?([A-Za-z0-9_-]+)|\[([0-9]{1,6})\]")


def unknown_fields(snapshot: Snapshot, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Their paths in the RayCluster: those of pods just created, and those known before.

    A known field counts as long as the spec has it and no later pod of its group was created without a
    warning.
    """
    known = snapshot.recorded.unknown_fields
    done = [outcome for outcome in outcomes if isinstance(outcome, Succeeded)]
    if not known and not any(outcome.warnings for outcome in done):
        return ()  # Nearly always.
    named: dict[str, set[str]] = {}
    for outcome in done:
        if isinstance(outcome.action, CreatePod):
            place = _template_of(snapshot, outcome.action.group)
            named.setdefault(place, set()).update(_named(place, outcome.warnings))
    kept = {
        path
        for path in known
        if _PATH.fullmatch(path)
        and not any(path.startswith(f"{place}.") for place in named)
        and _is_there(snapshot.cluster.spec, path)
    }
    return tuple(sorted(kept.union(*named.values()))[:MOST])


def _named(place: str, warnings: Sequence[str]) -> set[str]:
    fields = (match[1] for warning in warnings for match in _UNKNOWN.finditer(warning))
    return {path for path in (f"{place}.{field}" for field in fields) if len(path) <= _LONGEST}


def _template_of(snapshot: Snapshot, group: str) -> str:
    for index, worker_group in enumerate(snapshot.spec.worker_group_specs if snapshot.spec else ()):
        if worker_group.group_name == group and group != HEAD_GROUP:
            return f"spec.workerGroupSpecs[{index}].template"
    return "spec.headGroupSpec.template"


def _is_there(spec: Mapping[str, Any], path: str) -> bool:
    node: Any = {"spec": spec}
    for name, index in _STEP.findall(path):
        if name:
            if not isinstance(node, Mapping) or name not in node:
                return False
            node = node[name]
        else:
            if not isinstance(node, list) or int(index) >= len(node):
                return False
            node = node[int(index)]
    return True
