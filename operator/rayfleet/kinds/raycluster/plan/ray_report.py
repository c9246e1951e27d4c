"""The scaling report to Ray, which makes `ray status` true."""

from collections.abc import Mapping

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.autoscaling import Decision
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.ray.state import AutoscalingReport, FailedLaunch, PendingLaunch, PendingPod


def ray_report(
    snapshot: Snapshot, spec: RayClusterSpec, decision: Decision, held: Mapping[str, int]
) -> AutoscalingReport:
    """Launches and pods that are starting, failed launches, and infeasible demand.

    Pods that a ceiling holds back (`held`, by group) are not starting.
    """
    state = snapshot.scaling.ray.state
    joined = state.joined if state is not None else frozenset()
    coming = (
        pod
        for pod in snapshot.pods
        if pod.node_type == NodeType.WORKER and pod.active and pod.name not in joined
    )
    hosts = {group.group_name: group.num_of_hosts for group in spec.worker_group_specs}
    return AutoscalingReport(
        # Larger than any earlier version, even a previous operator's: Ray ignores reports that are not newer.
        version=int(snapshot.now * 1000),
        seen_version=state.version if state is not None else 0,
        launches=tuple(
            PendingLaunch(group.name, count, snapshot.now)
            for group in decision.groups
            if (count := group.launches * hosts[group.name] - held.get(group.name, 0)) > 0
        ),
        pods=tuple(
            PendingPod(pod.group, pod.name, pod.pod_ip, pod.readiness.reason or pod.phase) for pod in coming
        ),
        failures=tuple(
            FailedLaunch(group, 1, hold.words, hold.since, snapshot.now)
            for group, hold in sorted(snapshot.held.items())
            if group in hosts
        ),
        infeasible=decision.oversized if spec.autoscaler_options.fail_infeasible_tasks else (),
    )
