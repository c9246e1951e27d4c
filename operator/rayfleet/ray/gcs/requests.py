"""Turns values into the bytes of requests to a Ray head. No I/O here."""

from collections.abc import Iterable, Mapping
from typing import Final

from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.state import AutoscalingReport, DrainReason, LabelSelector, Shape

_REASON: Final[Mapping[DrainReason, int]] = {DrainReason.IDLE_TERMINATION: 1, DrainReason.PREEMPTION: 2}
_UNEXPECTED_TERMINATION = 2
_MILLISECONDS = 1000


def report(values: AutoscalingReport) -> bytes:
    """A ReportAutoscalingStateRequest."""
    state = ray_pb2.AutoscalingState(
        last_seen_cluster_resource_state_version=values.seen_version,
        autoscaler_state_version=values.version,
        infeasible_resource_requests=[_request(shape) for shape in values.infeasible],
    )
    for launch in values.launches:
        state.pending_instance_requests.add(
            instance_type_name=launch.group,
            ray_node_type_name=launch.group,
            count=launch.count,
            request_ts=int(launch.since),
        )
    for pod in values.pods:
        state.pending_instances.add(
            instance_type_name=pod.group,
            ray_node_type_name=pod.group,
            instance_id=pod.instance_id,
            ip_address=pod.ip,
            details=pod.details,
        )
    for failure in values.failures:
        state.failed_instance_requests.add(
            instance_type_name=failure.group,
            ray_node_type_name=failure.group,
            count=failure.count,
            reason=failure.reason,
            start_ts=int(failure.since),
            failed_ts=int(failure.failed),
        )
    return _bytes(ray_pb2.ReportAutoscalingStateRequest(autoscaling_state=state))


def drain(node_id: bytes, reason: DrainReason, message: str, deadline: float | None) -> bytes:
    """A DrainNodeRequest; `deadline` is in Unix seconds."""
    return _bytes(
        ray_pb2.DrainNodeRequest(
            node_id=node_id,
            reason=_REASON[reason],
            reason_message=message,
            # Ray refuses a negative deadline.
            deadline_timestamp_ms=max(int((deadline or 0) * _MILLISECONDS), 0),
        )
    )


def unregister(node_id: bytes, message: str) -> bytes:
    """An UnregisterNodeRequest for a node that disappeared without notice."""
    death = ray_pb2.NodeDeathInfo(reason=_UNEXPECTED_TERMINATION, reason_message=message)
    return _bytes(ray_pb2.UnregisterNodeRequest(node_id=node_id, node_death_info=death))


def nodes(most: int, ids: Iterable[bytes]) -> bytes:
    """A GetAllNodeInfoRequest for the nodes in `ids`, or for all nodes if there are none."""
    selectors = [ray_pb2.NodeSelector(node_id=node_id) for node_id in ids]
    return _bytes(ray_pb2.GetAllNodeInfoRequest(limit=most, node_selectors=selectors))


def actors(most: int) -> bytes:
    """A GetAllActorInfoRequest, without actors of ended jobs."""
    return _bytes(ray_pb2.GetAllActorInfoRequest(limit=most))


def jobs(most: int) -> bytes:
    """A GetAllJobInfoRequest, without fields that the head would have to ask every driver for."""
    return _bytes(
        ray_pb2.GetAllJobInfoRequest(
            limit=most, skip_submission_job_info_field=True, skip_is_running_tasks_field=True
        )
    )


def _bytes(message: object) -> bytes:
    return bytes(message.SerializeToString())  # type: ignore[attr-defined]  # messages have no types


def _request(shape: Shape) -> ray_pb2.ResourceRequest:
    # Ray writes "any node" as one selector without a condition.
    selectors = shape.selectors or ((),)
    return ray_pb2.ResourceRequest(
        resources_bundle=dict(shape.resources), label_selectors=[_selector(each) for each in selectors]
    )


def _selector(selector: LabelSelector) -> ray_pb2.LabelSelector:
    return ray_pb2.LabelSelector(
        label_constraints=[
            ray_pb2.LabelConstraint(
                label_key=each.key, operator=2 if each.negated else 1, label_values=each.values
            )
            for each in selector
        ]
    )
