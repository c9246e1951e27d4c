"""What is set on a cluster but not acted on yet, with messages for users about what happens instead.

A field that asks for protection or for patience is never silently dropped: nothing is created for that
cluster until the field is supported or removed. Any other field is ignored, and the condition says so. The
same goes for the annotations and labels that KubeRay acts on. A cluster that already runs without what it
asks for, from an earlier release, is not stopped.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from rayfleet.api.names import Annotation, NodeType
from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec, asks_for_sidecar, sidecar_options
from rayfleet.api.raycluster.groups import FailurePolicy
from rayfleet.autoscaling.words import several
from rayfleet.kinds.raycluster.manifests.metadata import is_on
from rayfleet.kinds.raycluster.snapshot import Snapshot

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_MOST_PATHS: Final = 8
"""Paths named in one sentence; further ones are counted."""


class Unsupported(Struct, frozen=True):
    """Something that is set but not acted on."""

    path: str
    instead: str
    withholds: bool
    """Nothing is created while it is set: for the whole cluster, or only for `group`."""
    group: str | None = None


class FieldRule(Struct, frozen=True):
    """A field of the spec that is not acted on."""

    path: str
    is_set: Callable[[RayClusterSpec], bool]
    instead: str
    withholds: bool = False
    with_a_head: str = ""
    """What happens instead in a cluster that has had a head, and is then not withheld."""


class GroupRule(Struct, frozen=True):
    """A field of a worker group that is not acted on; its path begins at the group."""

    path: str
    is_set: Callable[[WorkerGroupSpec], bool]
    instead: str
    withholds: bool = False


class KeyRule(Struct, frozen=True):
    """An annotation or a label of a RayCluster that KubeRay acts on and this operator does not."""

    key: str
    instead: str
    withholds: bool = False
    is_set: Callable[[str], bool] = bool
    """Takes its value."""
    only_with: str = ""
    """The annotation without which it has no meaning."""
    with_a_head: str = ""
    """As in `FieldRule`."""


def _is_not_off(value: str) -> bool:
    return value.strip().lower() not in {"", "false"}


_STORE_IS_SHARED: Final = "nothing is created, because clusters on one Redis would share their keys"
_SHARES: Final = "the cluster keeps running, and shares its keys with every other cluster on its Redis"
_STARTS_EMPTY: Final = "the cluster keeps running, but a new head starts without the stored state"
_NO_GANG: Final = "no PodGroup is created, and pods use the scheduler that their templates name"
NO_SIDECAR: Final = "Ray's own autoscaler is not run with the head, and groups keep the size in replicas"
NO_CONTAINER: Final = "the operator scales the cluster, so there is no autoscaler container"


def _has_a_store(spec: RayClusterSpec) -> bool:
    """Redis without an address does not count: that is a fault of the head, and its workers continue."""
    options = spec.gcs_fault_tolerance_options
    return options is not None and bool(options.backend != "redis" or options.redis_address)


FIELDS: Final = (
    FieldRule("spec.suspend", lambda s: s.suspend, "no pod is created, none is removed", withholds=True),
    FieldRule(
        "spec.idleSuspend", lambda s: s.idle_suspend, "no pod is created, none is removed", withholds=True
    ),
    FieldRule(
        "spec.tlsOptions.enabled",
        lambda s: s.tls_options is not None and s.tls_options.enabled,
        "nothing is created, because the traffic would not be encrypted",
        withholds=True,
    ),
    FieldRule(
        "spec.networkPolicy",
        lambda s: s.network_policy is not None,
        "nothing is created, because the cluster would be reachable",
        withholds=True,
    ),
    FieldRule(
        "spec.gcsFaultToleranceOptions",
        _has_a_store,
        "nothing is created, because a head would start without its stored state",
        withholds=True,
        with_a_head=_STARTS_EMPTY,
    ),
    FieldRule(
        "spec.headGroupSpec.enableIngress",
        lambda s: s.head_group_spec.enable_ingress,
        "no Ingress is created",
    ),
    FieldRule(
        "spec.headGroupSpec.ingressOptions",
        lambda s: s.head_group_spec.ingress_options is not None,
        "no Ingress is created",
    ),
    FieldRule(
        "spec.historyServerOptions",
        lambda s: s.history_server_options is not None,
        "no collector runs",
    ),
    FieldRule(
        "spec.upgradeStrategy.type",
        lambda s: s.upgrade_strategy is not None and s.upgrade_strategy.type != "None",
        "a changed template applies to new pods only",
    ),
    FieldRule(
        "spec.idleTerminationOptions",
        lambda s: s.idle_termination_options is not None,
        "an idle cluster stays",
    ),
    FieldRule(
        "spec.drainOptions",
        lambda s: "drain_options" in s.model_fields_set,
        "pods are deleted without a drain",
    ),
)


def _has_other_policy(name: str, default: object, group: WorkerGroupSpec) -> bool:
    """Whether it differs from its default, which is stored with the object whether set or not."""
    return bool(getattr(group.failure_policy, name) != default)


GROUP_FIELDS: Final[tuple[GroupRule, ...]] = (
    GroupRule(
        "suspend", lambda g: g.suspend, "no pod of the group is created, none is removed", withholds=True
    ),
    *(
        GroupRule(
            f"failurePolicy.{field.alias}",
            partial(_has_other_policy, name, field.default),
            "pods that end are replaced, in rounds of 20 to 300 s if they end soon after their start",
        )
        for name, field in FailurePolicy.model_fields.items()
        if name != "join_timeout_seconds"
    ),
)
ANNOTATIONS: Final = (
    KeyRule(Annotation.FT_ENABLED, _STORE_IS_SHARED, withholds=True, is_set=is_on, with_a_head=_SHARES),
    KeyRule(
        Annotation.EXTERNAL_STORAGE_NAMESPACE,
        _STORE_IS_SHARED,
        withholds=True,
        only_with=Annotation.FT_ENABLED,
        with_a_head=_SHARES,
    ),
    KeyRule(
        Annotation.FT_DELETION_TIMEOUT,
        "the data in Redis stays there when the cluster is deleted",
        only_with=Annotation.FT_ENABLED,
    ),
    KeyRule("ray.io/enable-serve-service", "no Service for Ray Serve is created", is_set=is_on),
    KeyRule("kubernetes.io/ingress.class", "no Ingress is created"),
    KeyRule("ray.io/ippr", "no pod is resized in place", is_set=_is_not_off),
)
LABELS: Final = (
    KeyRule("ray.io/gang-scheduling-enabled", _NO_GANG, is_set=_is_not_off),
    *(
        KeyRule(key, _NO_GANG)
        for key in (
            "ray.io/scheduler-name",
            "ray.io/priority-class-name",
            "volcano.sh/queue-name",
            "volcano.sh/network-topology-mode",
            "volcano.sh/network-topology-highest-tier-allowed",
            "yunikorn.apache.org/app-id",
            "yunikorn.apache.org/queue",
            "kai.scheduler/queue",
            "scheduling.x-k8s.io/pod-group",
        )
    ),
)


def unsupported_of(snapshot: Snapshot, spec: RayClusterSpec) -> tuple[Unsupported, ...]:
    """`unsupported` for a cluster in its current state."""
    cluster = snapshot.cluster
    had_one = snapshot.recorded.head.pod_name
    has_head = bool(had_one) or any(p.node_type == NodeType.HEAD and not p.ended for p in snapshot.pods)
    find = partial(
        unsupported, spec, labels=cluster.labels, annotations=cluster.annotations, has_head=has_head
    )
    return snapshot.once("unsupported", spec, has_head, find)


def unsupported(
    spec: RayClusterSpec,
    *,
    labels: Mapping[str, str] = _NONE,
    annotations: Mapping[str, str] = _NONE,
    has_head: bool = False,
) -> tuple[Unsupported, ...]:
    """Everything that is set on a cluster but not acted on; findings that withhold it come first.

    `has_head`: whether there is or was a head.
    """
    findings = [
        *_of_metadata("annotations", ANNOTATIONS, annotations, has_head=has_head),
        *_of_metadata("labels", LABELS, labels, has_head=has_head),
        *(_finding(r, r.path, has_head=has_head) for r in FIELDS if r.is_set(spec)),
        *_of_autoscaler(spec),
        *_of_groups(spec),
    ]
    return tuple(sorted(findings, key=lambda finding: not finding.withholds))


def _finding(rule: FieldRule | KeyRule, path: str, *, has_head: bool) -> Unsupported:
    if has_head and rule.with_a_head:
        return Unsupported(path, rule.with_a_head, withholds=False)
    return Unsupported(path, rule.instead, rule.withholds)


def in_words(findings: Iterable[Unsupported]) -> Iterator[str]:
    """One sentence, without its full stop, for all findings with the same consequence."""
    by_end: dict[str, list[str]] = {}
    for finding in findings:
        by_end.setdefault(finding.instead, []).append(finding.path)
    for instead, paths in by_end.items():
        named = several(paths[:_MOST_PATHS], len(paths))
        yield f"{named} {'is' if len(paths) == 1 else 'are'} not acted on yet: {instead}"


def _of_metadata(
    field: str, rules: Iterable[KeyRule], given: Mapping[str, str], *, has_head: bool
) -> Iterator[Unsupported]:
    for rule in rules if given else ():
        value = given.get(rule.key)
        if value is None or not rule.is_set(value):
            continue
        if not rule.only_with or is_on(given.get(rule.only_with, "")):
            yield _finding(rule, f"metadata.{field}[{rule.key}]", has_head=has_head)


def _of_autoscaler(spec: RayClusterSpec) -> Iterator[Unsupported]:
    """Options that ask for Ray's own autoscaler, or describe the container in which it would run."""
    if not spec.enable_in_tree_autoscaling:
        return
    asks = asks_for_sidecar(spec)
    for path in asks:
        yield Unsupported(path, NO_SIDECAR, withholds=False)
    for path in sidecar_options(spec):
        if path not in asks:
            yield Unsupported(path, NO_SIDECAR if asks else NO_CONTAINER, withholds=False)


def _of_groups(spec: RayClusterSpec) -> Iterator[Unsupported]:
    for index, group in enumerate(spec.worker_group_specs):
        for rule in GROUP_FIELDS:
            if rule.is_set(group):
                path = f"spec.workerGroupSpecs[{index}].{rule.path}"
                owner = group.group_name if rule.withholds else None
                yield Unsupported(path, rule.instead, rule.withholds, owner)
