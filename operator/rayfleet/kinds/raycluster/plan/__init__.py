"""The decision: `plan(snapshot) -> Plan`. Pure: the same snapshot gives the same plan."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec, scales_here
from rayfleet.autoscaling import Decision, Memory
from rayfleet.kinds.raycluster.actions import (
    Action,
    AdvanceHeadEpoch,
    Cause,
    CreatePod,
    CreateSecret,
    CreateService,
    DeletePod,
    DrainNode,
    Plan,
    RemoveFinalizer,
    Resize,
    ResizeGroups,
    SelectHead,
)
from rayfleet.kinds.raycluster.aside import seen, without_harm
from rayfleet.kinds.raycluster.leaving.deletion import plan_deletion
from rayfleet.kinds.raycluster.leaving.leave import Leave, steps
from rayfleet.kinds.raycluster.leaving.ray_nodes import Gone, gone_with_their_node
from rayfleet.kinds.raycluster.manifests import (
    TOKEN_KEY,
    auth_secret,
    auth_secret_name,
    head_service_name,
    headless_service,
    headless_service_name,
    makes_auth_secret,
)
from rayfleet.kinds.raycluster.ownership import Ownership, ownership
from rayfleet.kinds.raycluster.plan.ceilings import within_ceilings
from rayfleet.kinds.raycluster.plan.gate import gated_groups
from rayfleet.kinds.raycluster.plan.groups import GroupPlan, plan_group, removed_groups
from rayfleet.kinds.raycluster.plan.head import HeadPlan, plan_head
from rayfleet.kinds.raycluster.plan.head_service import create_head_service, select_head
from rayfleet.kinds.raycluster.plan.limits import limit_creates, limit_deletes
from rayfleet.kinds.raycluster.plan.scaling import (
    decide_sizes,
    has_head_of_another,
    idle,
    looks,
    scaled_groups,
)
from rayfleet.kinds.raycluster.plan.spec_target import keeps_sizes_in_spec, resize_groups, within_spec
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.support import Unsupported, in_words, unsupported, unsupported_of
from rayfleet.kube.objects.pods import Pod

__all__ = [
    "Action",
    "AdvanceHeadEpoch",
    "Cause",
    "CreatePod",
    "CreateSecret",
    "CreateService",
    "DeletePod",
    "DrainNode",
    "Ownership",
    "Plan",
    "RemoveFinalizer",
    "Resize",
    "ResizeGroups",
    "SelectHead",
    "Unsupported",
    "in_words",
    "ownership",
    "plan",
    "unsupported",
    "unsupported_of",
]

NO_MEMORY: Final = Memory()


def plan(snapshot: Snapshot, memory: Memory = NO_MEMORY) -> Plan:
    """What to do next for this cluster, and why. At rest the plan has no actions.

    `memory` is what the last decision on sizes left.
    """
    cluster, spec = snapshot.cluster, snapshot.spec
    if ownership(cluster, snapshot.other_operator) is not Ownership.OURS:
        return Plan(waits=("another operator acts on this cluster",))
    if cluster.deleting:
        return limit_deletes(plan_deletion(snapshot))
    if spec is None:
        return Plan(waits=("the spec is not valid, and no earlier valid spec is known",))
    findings = unsupported_of(snapshot, spec)
    not_acted_on = tuple(in_words(findings))
    if any(finding.withholds and finding.group is None for finding in findings):
        return Plan(waits=not_acted_on, not_acted_on=not_acted_on, withheld=True)
    withheld = {f.group: f.instead for f in findings if f.withholds and f.group is not None}
    withheld |= snapshot.withheld
    view = seen(snapshot, spec)
    there = view.snapshot
    follows = scales_here(spec) and not has_head_of_another(there)
    gone = gone_with_their_node(there) if follows else Gone({})
    unable = gated_groups(spec) | withheld
    decision = decide_sizes(there, spec, memory, unable, gone) if follows else None
    planned = without_harm(_plan_cluster(there, spec, withheld, decision, gone), view)
    planned = replace(planned, not_acted_on=not_acted_on) if not_acted_on else planned
    return limit_creates(within_ceilings(snapshot, limit_deletes(planned)))


def _plan_cluster(
    snapshot: Snapshot,
    spec: RayClusterSpec,
    withheld: Mapping[str, str],
    decision: Decision | None,
    gone: Gone,
) -> Plan:
    head = plan_head(snapshot, spec)
    workers = [pod for pod in snapshot.pods if pod.node_type == NodeType.WORKER]
    by_group = {group.group_name: list[Pod]() for group in spec.worker_group_specs}
    for pod in workers:
        if pod.group in by_group:
            by_group[pod.group].append(pod)
    scaled, resize = {}, None
    if decision is not None:
        scaled = scaled_groups(snapshot, decision, gone)
        if keeps_sizes_in_spec(snapshot, spec):
            resize = resize_groups(snapshot, spec, decision, scaled)
            scaled = within_spec(spec, scaled)
    groups = [
        plan_group(snapshot, spec, group, by_group[group.group_name], scaled.get(group.group_name))
        for group in spec.worker_group_specs
        if group.group_name not in withheld
    ]
    parts: list[HeadPlan | GroupPlan] = [head, *groups]
    requeues = [part.requeue_after for part in parts if part.requeue_after is not None]
    if decision is not None:
        requeues += looks(snapshot, decision, gone)
    leaves: list[Leave] = [*head.leaves, *removed_groups(spec, workers)]
    leaves += [leave for group in groups for leave in group.leaves]
    if decision is not None:
        leaves += idle(snapshot, decision, gone)
    deletes, drains = steps(leaves, snapshot.scaling.ray)
    return Plan(
        deletes=deletes,
        drains=drains,
        select=select_head(snapshot, spec),
        resize=resize,
        stages=_with_secret(snapshot, spec, _stages(_services(snapshot, spec), head, groups)),
        head_epoch=head.epoch,
        waits=tuple(part.wait for part in parts if part.wait is not None),
        requeue_after=min(requeues, default=None),
        decision=decision,
    )


def _services(snapshot: Snapshot, spec: RayClusterSpec) -> tuple[CreateService, ...]:
    """The missing Services: the head's and, if there are multi-host groups, theirs."""
    cluster = snapshot.cluster
    there = {service.name for service in snapshot.services}
    missing = []
    name = head_service_name(cluster, spec)
    if name not in there:
        missing.append(create_head_service(snapshot, spec))
    if any(group.num_of_hosts > 1 for group in spec.worker_group_specs):
        name = headless_service_name(cluster)
        if name not in there:
            reason = "multi-host workers have no Service"
            missing.append(CreateService(name, headless_service(cluster), reason))
    return tuple(missing)


def _stages(
    services: tuple[CreateService, ...], head: HeadPlan, groups: list[GroupPlan]
) -> tuple[tuple[Action, ...], ...]:
    """Head before workers: without a head they would only wait, on GPUs that others could use."""
    create: tuple[Action, ...] = (head.create,) if head.create else ()
    first: tuple[Action, ...] = (*services, head.advance) if head.advance else (*services, *create)
    second: tuple[Action, ...] = create if head.advance else ()
    third: tuple[Action, ...] = ()
    if head.exists or head.create:
        third = tuple(create for group in groups for create in group.creates)
    return tuple(stage for stage in (first, second, third) if stage)


def _with_secret(
    snapshot: Snapshot, spec: RayClusterSpec, stages: tuple[tuple[Action, ...], ...]
) -> tuple[tuple[Action, ...], ...]:
    """Create the Secret with the cluster's token before the pods that need it.

    Once in the life of this process, and with every head: a head reads the token when it starts, and every
    later pod must have the same one. So a deleted Secret is recreated, with another token, when the head is
    replaced, not under a running head that would then refuse its workers.
    """
    if spec.auth_options.mode != "token" or not makes_auth_secret(spec):
        return stages
    pods = [action for stage in stages for action in stage if isinstance(action, CreatePod)]
    if not pods or (snapshot.auth_secret_made and all(pod.node_type != NodeType.HEAD for pod in pods)):
        return stages
    name = auth_secret_name(snapshot.cluster, spec)
    body = auth_secret(snapshot.cluster, name)
    return ((CreateSecret(name, body, TOKEN_KEY, "the cluster's pods need its token"),), *stages)
