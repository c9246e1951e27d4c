"""What the rules check: the names and the spec of one cluster, and its templates, read without trust.

A template is whatever JSON the object holds. Reading one never raises: a part of the wrong type counts as
absent, since the API server validates the types inside a template.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from rayfleet.api.names import HEAD_GROUP
from rayfleet.api.raycluster.groups import HeadGroupSpec, WorkerGroupSpec
from rayfleet.api.raycluster.spec import RayClusterSpec
from rayfleet.api.violation import Violation

Findings: TypeAlias = Iterator[Violation]
Json: TypeAlias = Mapping[str, Any]

HEAD_PATH: Final = "spec.headGroupSpec"


class Group(Struct, frozen=True):
    """A head or worker group, and its path."""

    path: str
    spec: HeadGroupSpec | WorkerGroupSpec

    @property
    def name(self) -> str:
        """The name of the group; the head has one, too."""
        return self.spec.group_name if isinstance(self.spec, WorkerGroupSpec) else HEAD_GROUP

    def fault(self, field: str, message: str) -> Violation:
        """A violation that keeps only this group's nodes from being started."""
        return Violation(f"{self.path}.{field}", message, self.name)

    @property
    def ray_container_path(self) -> str:
        """The path of the container that runs Ray."""
        return f"{self.path}.template.spec.containers[0]"

    @property
    def ray_container(self) -> Json:
        """The container that runs Ray; empty if the template has none."""
        return next(iter(containers(self.spec.template)), {})

    def env(self, *names: str) -> str | None:
        """The first of `names` that the Ray container's environment sets."""
        return first_env(objects(self.ray_container.get("env")), *names)

    def env_value(self, name: str) -> str | None:
        """The literal value of an environment variable of the Ray container."""
        return env_value(objects(self.ray_container.get("env")), name)


class Subject(Struct, frozen=True):
    """One cluster, as the rules see it."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: RayClusterSpec

    @property
    def head(self) -> Group:
        """The head group."""
        return Group(HEAD_PATH, self.spec.head_group_spec)

    @property
    def workers(self) -> Sequence[tuple[str, WorkerGroupSpec]]:
        """The worker groups with their paths."""
        return [
            (f"spec.workerGroupSpecs[{index}]", group)
            for index, group in enumerate(self.spec.worker_group_specs)
        ]

    @property
    def groups(self) -> Sequence[Group]:
        """The head group, then the worker groups."""
        return [self.head, *(Group(path, group) for path, group in self.workers)]

    @property
    def group_names(self) -> frozenset[str]:
        """The names of the worker groups."""
        return frozenset(group.group_name for group in self.spec.worker_group_specs)


def json_object(value: object) -> Json:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: object) -> Sequence[Json]:
    """The objects in `value` if it is a list, else an empty list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def pod_spec(template: Json) -> Json:
    """The pod spec of a template."""
    return json_object(template.get("spec"))


def containers(template: Json) -> Sequence[Json]:
    """The containers of a template, the one that runs Ray first."""
    return objects(pod_spec(template).get("containers"))


def first_env(env: Sequence[Json], *names: str) -> str | None:
    """The first of `names` that the environment sets, by value or by reference."""
    there = {entry.get("name") for entry in env if isinstance(entry.get("name"), str)}
    return next((name for name in names if name in there), None)


def env_value(env: Sequence[Json], name: str) -> str | None:
    """The literal value that takes effect, which is the last; None for a reference or an absent variable."""
    values = [entry.get("value") for entry in env if entry.get("name") == name]
    return values[-1] if values and isinstance(values[-1], str) else None
