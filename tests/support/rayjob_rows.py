"""A table of a RayJob's rules: one that breaks each, and its twin that differs only in that and passes."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from rayfleet.api.rayjob import RayJobSpec, parse_spec
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.rayjob.validation import RULES, Rule
from support.rule_rows import group, template

SELECTOR = {"ray.io/cluster": "shared"}
ON_A_SELECTED_CLUSTER: Mapping[str, Any] = {"rayClusterSpec": None, "clusterSelector": SELECTOR}


def job_fields(settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The spec of a valid RayJob with some fields set, by paths such as `rayClusterSpec.suspend`.

    A field that is set to None is removed.
    """
    cluster = {
        "rayVersion": "2.60.0",
        "headGroupSpec": {"template": template()},
        "workerGroupSpecs": [group("gpu")],
    }
    spec: dict[str, Any] = {"entrypoint": "python train.py", "rayClusterSpec": cluster}
    for path, value in (settings or {}).items():
        *parents, last = path.split(".")
        at: Any = spec
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
        if value is None:
            at.pop(last, None)
        else:
            at[int(last) if isinstance(at, list) else last] = copy.deepcopy(value)
    return spec


def build_job(settings: Mapping[str, Any] | None = None) -> RayJobSpec:
    """The same, parsed."""
    parsed = parse_spec(job_fields(settings))
    assert isinstance(parsed, RayJobSpec), parsed
    return parsed


@dataclass(frozen=True)
class JobRow:
    rule: Rule
    path: str
    keywords: str
    """What the message says; texts of the API that users search for."""
    broken: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    name: str = "train"
    fixed_name: str = "train"


def job_row_id(row: JobRow) -> str:
    return f"{row.rule.__name__}-{row.keywords[:30]}"


def check_job(row: JobRow) -> None:
    """The rule names the broken field in one sentence, and has nothing to say about the fixed twin."""
    violations = tuple(row.rule(JobSubject(row.name, {}, {}, build_job(row.broken))))
    assert row.path in [violation.path for violation in violations]
    assert any(row.keywords in str(violation) for violation in violations), violations
    for violation in violations:
        assert re.fullmatch(r"\S.*[^.]\.", violation.message), violation

    fixed = JobSubject(row.fixed_name, {}, {}, build_job(row.fixed))
    assert tuple(row.rule(fixed)) == ()


def job_rules_of(*modules: ModuleType) -> set[Rule]:
    """The rules of these files that `validate` applies."""
    return {rule for rule in RULES if rule.__module__ in {module.__name__ for module in modules}}
