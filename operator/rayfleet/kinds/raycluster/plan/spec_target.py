"""Sizes kept in the spec, for tools that read them there, such as Kueue's quota."""

from msgspec.structs import replace

from rayfleet.api.names import Label
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.autoscaling import Decision
from rayfleet.kinds.raycluster.actions import Resize, ResizeGroups
from rayfleet.kinds.raycluster.plan.groups import Scaled
from rayfleet.kinds.raycluster.snapshot import Snapshot


def keeps_sizes_in_spec(snapshot: Snapshot, spec: RayClusterSpec) -> bool:
    """Whether wanted sizes are written to the spec's `replicas`: on request, or because Kueue counts them."""
    return spec.autoscaler_options.target == "Spec" or Label.KUEUE_QUEUE in snapshot.cluster.labels


def resize_groups(
    snapshot: Snapshot, spec: RayClusterSpec, decision: Decision, scaled: dict[str, Scaled]
) -> ResizeGroups | None:
    """The write of the sizes that differ; None if all are as wanted.

    A larger size is written before its pods are created, a smaller one once its pods are gone, so that a
    quota that counts `replicas` never counts less than exists.
    """
    if any(violation.group is None for violation in snapshot.violations):
        return None
    changes, faulty = [], {violation.group for violation in snapshot.violations}
    for index, group in enumerate(spec.worker_group_specs):
        name = group.group_name
        if name in faulty:
            continue
        pods = {pod.name for pod in snapshot.pods if pod.group == name and pod.active}
        kept = len(pods - scaled[name].deletes.keys()) // group.num_of_hosts
        wanted = max(decision.group(name).wanted, min(kept, group.replicas))
        if wanted != group.replicas:
            changes.append(Resize(index, name, wanted))
    if not changes:
        return None
    return ResizeGroups(tuple(changes), decision.summary)


def within_spec(spec: RayClusterSpec, scaled: dict[str, Scaled]) -> dict[str, Scaled]:
    """`scaled` without launches that the spec's `replicas` does not allow for yet."""
    limited = {}
    for group in spec.worker_group_specs:
        size = scaled[group.group_name]
        present = size.wanted - size.launches
        launches = min(size.launches, max(group.replicas - present, 0))
        limited[group.group_name] = replace(size, launches=launches)
    return limited
