"""A table of rules: a cluster that breaks each, and its twin that differs only in that and passes."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.api.raycluster.rules.subject import Subject
from rayfleet.api.raycluster.validation import RULES, Rule

HEAD = "headGroupSpec"
HEAD_ENV = f"{HEAD}.template.spec.containers.0.env"
HEAD_ENV_PATH = f"spec.{HEAD}.template.spec.containers[0].env"
GPU = "workerGroupSpecs.0"
GPU_PATH = "spec.workerGroupSpecs[0]"
FT = "gcsFaultToleranceOptions"


def template() -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "ray", "image": "ray:2.60.0"}]}}


def group(name: str) -> dict[str, Any]:
    return {"groupName": name, "maxReplicas": 4, "template": template()}


def build(settings: Mapping[str, Any]) -> RayClusterSpec:
    """A valid cluster with some fields set; a field is a path such as `workerGroupSpecs.0.replicas`."""
    spec: dict[str, Any] = {
        "rayVersion": "2.60.0",
        HEAD: {"template": template()},
        "workerGroupSpecs": [group("gpu"), group("cpu")],
    }
    for path, value in settings.items():
        *parents, last = path.split(".")
        at: Any = spec
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        at[int(last) if isinstance(at, list) else last] = copy.deepcopy(value)
    parsed = parse_spec(spec)
    assert isinstance(parsed, RayClusterSpec), parsed
    return parsed


def env(*names: str, value: str = "1") -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name in names]


@dataclass(frozen=True)
class Row:
    rule: Rule
    path: str
    broken: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    name: str = "c1"
    fixed_name: str = "c1"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    fixed_annotations: Mapping[str, str] = field(default_factory=dict)


def row_id(row: Row) -> str:
    return f"{row.rule.__name__}-{row.path}"


def check(row: Row) -> None:
    """The rule names the broken field in one sentence, and has nothing to say about the fixed twin."""
    broken = Subject(row.name, row.labels, row.annotations, build(row.broken))
    violations = tuple(row.rule(broken))
    assert row.path in [violation.path for violation in violations]
    for violation in violations:
        assert re.fullmatch(r"(must|should|is|needs|cannot|has|'|-).*[^.]\.", violation.message), violation

    fixed = Subject(row.fixed_name, {}, row.fixed_annotations, build(row.fixed))
    assert tuple(row.rule(fixed)) == ()


def rules_of(*modules: ModuleType) -> set[Rule]:
    """The rules of these files that `validate` applies."""
    return {rule for rule in RULES if rule.__module__ in {module.__name__ for module in modules}}
