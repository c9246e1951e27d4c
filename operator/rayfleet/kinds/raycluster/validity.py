"""Which spec to act on: the stored one if possible, else the last valid one.

A spec that breaks a rule is not acted on at all: the last valid one is still healed. A fault in one group
stops only that group: its definition is replaced by the last valid one, and a template that the API server
refuses by the last one that it accepted.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import orjson
from msgspec import Struct, field

from rayfleet.api.names import HEAD_GROUP
from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.api.raycluster.validation import validate
from rayfleet.api.violation import Violation
from rayfleet.kinds.raycluster.manifests import head_pod, worker_pods
from rayfleet.kinds.raycluster.pod_settings import DEFAULT, PodSettings
from rayfleet.kube.objects.roots import Root


class ParsedSpec(NamedTuple):
    """A stored spec, parsed."""

    spec: RayClusterSpec | tuple[Violation, ...]
    """Or what is wrong with its form."""
    is_valid: bool = False
    """Whether it is known to break no rule."""


class Judgement(Struct, frozen=True):
    """The spec to act on, and what is wrong with the stored one."""

    spec: RayClusterSpec | None
    violations: tuple[Violation, ...]
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Faulty groups without a known earlier definition, in which nothing can be created, and why."""


def judge(
    cluster: Root,
    last_valid: bytes | None,
    proven: bytes | None,
    refused: Mapping[str, str],
    withheld: Mapping[str, str] | None = None,
    settings: PodSettings = DEFAULT,
    parsed: ParsedSpec | None = None,
) -> Judgement:
    """Judge the stored spec, which is parsed unless `parsed` is given.

    `last_valid` is the last spec that broke no rule, `proven` the last one whose templates the API server has
    all accepted (both as JSON), `refused` the templates that it has refused (hash to message). Those in
    `withheld` (all if it is None) are not retried yet: the last accepted template is used instead.
    """
    spec, is_valid = parsed or ParsedSpec(parse_spec(cluster.spec))
    if isinstance(spec, RayClusterSpec) and is_valid:
        broken: tuple[Violation, ...] = ()
    elif isinstance(spec, RayClusterSpec):
        broken = validate(spec, name=cluster.key.name, labels=cluster.labels, annotations=cluster.annotations)
    else:
        broken = spec
    if not isinstance(spec, RayClusterSpec) or any(violation.group is None for violation in broken):
        return Judgement(_parsed(last_valid), broken)
    stopped: Mapping[str, str] = {}
    if broken:
        spec, stopped = _without_faulty_groups(spec, broken, _parsed(last_valid))
    if not refused:
        return Judgement(spec, broken, withheld=stopped)
    hashes = dict(template_hashes(cluster, spec, settings))
    faults = {group: refused[value] for group, value in hashes.items() if value in refused}
    violations = tuple(Violation(_path(spec, group), message, group) for group, message in faults.items())
    left = {group for group in faults if withheld is None or hashes[group] in withheld}
    acting = _with_templates_of(_parsed(proven), spec, left)
    return Judgement(acting, (*broken, *violations), withheld=stopped)


def _without_faulty_groups(
    spec: RayClusterSpec, broken: tuple[Violation, ...], earlier: RayClusterSpec | None
) -> tuple[RayClusterSpec, Mapping[str, str]]:
    """The spec with each faulty group's last valid definition, and the groups that have none."""
    faulty = {violation.group: str(violation) for violation in broken if violation.group is not None}
    known = {group.group_name for group in earlier.worker_group_specs} | {HEAD_GROUP} if earlier else set()
    withheld = {group: message for group, message in faulty.items() if group not in known}
    return _with_templates_of(earlier, spec, set(faulty)), withheld


def template_hashes(
    cluster: Root,
    spec: RayClusterSpec,
    settings: PodSettings = DEFAULT,
    known: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[str, str]]:
    """Group name (`headgroup` for the head) and template hash of every group that wants pods.

    `known` holds hashes that need not be computed again.
    """
    yield HEAD_GROUP, known.get(HEAD_GROUP) or head_pod(cluster, spec, 0, settings).template_hash
    for group in spec.worker_group_specs:
        if (group.replicas or group.min_replicas) and not group.suspend:
            name = group.group_name
            yield name, known.get(name) or worker_pods(cluster, spec, group, settings).template_hash


def _parsed(spec: bytes | None) -> RayClusterSpec | None:
    parsed = None if spec is None else parse_spec(orjson.loads(spec))
    return parsed if isinstance(parsed, RayClusterSpec) else None


def _path(spec: RayClusterSpec, group: str) -> str:
    for index, worker_group in enumerate(spec.worker_group_specs):
        if worker_group.group_name == group:
            return f"spec.workerGroupSpecs[{index}].template"
    return "spec.headGroupSpec.template"


def _with_templates_of(
    proven: RayClusterSpec | None, spec: RayClusterSpec, groups: set[str]
) -> RayClusterSpec:
    """`spec` with the definitions of `groups` from `proven`, except their sizes."""
    if proven is None:
        return spec
    earlier = {group.group_name: group for group in proven.worker_group_specs}
    sizes = {"replicas", "min_replicas", "max_replicas", "scale_strategy"}
    workers = tuple(
        earlier[group.group_name].model_copy(update={name: getattr(group, name) for name in sizes})
        if group.group_name in groups and group.group_name in earlier
        else group
        for group in spec.worker_group_specs
    )
    head = proven.head_group_spec if HEAD_GROUP in groups else spec.head_group_spec
    return spec.model_copy(update={"head_group_spec": head, "worker_group_specs": workers})
