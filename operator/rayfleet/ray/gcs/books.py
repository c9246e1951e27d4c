"""Reads Ray's lists of nodes, actors and jobs into values. No I/O here; raises only `Unbelievable`."""

from collections.abc import Mapping

from rayfleet.ray.gcs.bounds import MOST_LISTED, Unbelievable, bounded
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.gcs.replies import NODE_ID_BYTES, decoded, unpacked
from rayfleet.ray.gcs.wire_fields import fields_of
from rayfleet.ray.inventory import ActorInfo, ActorState, DeathCause, JobInfo, NodeInfo

_ACTOR_STATE: Mapping[int, ActorState] = {
    0: ActorState.DEPENDENCIES_UNREADY,
    1: ActorState.PENDING_CREATION,
    3: ActorState.RESTARTING,
    4: ActorState.DEAD,
}
_DEATH: Mapping[int, DeathCause] = {
    1: DeathCause.EXPECTED_TERMINATION,
    2: DeathCause.UNEXPECTED_TERMINATION,
    3: DeathCause.DRAIN_PREEMPTED,
    4: DeathCause.DRAIN_IDLE,
}
_DEAD_NODE = 1


def nodes_from(raw: bytes) -> tuple[NodeInfo, ...]:
    """The nodes in a GetAllNodeInfoReply."""
    return tuple([_node(unpacked(ray_pb2.GcsNodeInfo, each, "a node")) for each in _listed(raw, "nodes")])


def actors_from(raw: bytes) -> tuple[ActorInfo, ...]:
    """The actors in a GetAllActorInfoReply."""
    actors = _listed(raw, "actors")
    return tuple([_actor(unpacked(ray_pb2.ActorTableData, each, "an actor")) for each in actors])


def jobs_from(raw: bytes) -> tuple[JobInfo, ...]:
    """The jobs in a GetAllJobInfoReply."""
    jobs = _listed(raw, "jobs")
    return tuple([_job(unpacked(ray_pb2.JobTableData, each, "a job")) for each in jobs])


def version_from(raw: bytes) -> str:
    """The version of Ray in a CheckAliveReply."""
    reply = decoded(ray_pb2.CheckAliveReply, raw)
    _check_status(reply.status)
    return reply.ray_version


def unregistered_from(raw: bytes) -> None:
    """Check that an UnregisterNodeReply reports success; raises otherwise."""
    _check_status(decoded(ray_pb2.UnregisterNodeReply, raw).status)


def _listed(raw: bytes, what: str) -> list[bytes]:
    """The entries of an answer that lists things: its second field, after a status."""
    statuses, entries = [], []
    for number, content in fields_of(raw, f"list of {what}"):
        if isinstance(content, bytes):
            if number == 1:
                statuses.append(content)
            elif number == 2:  # noqa: PLR2004 - as in ray.proto
                entries.append(content)
    _check_status(decoded(ray_pb2.GcsStatus, b"".join(statuses)))
    bounded(len(entries), MOST_LISTED, what)
    return entries


def _check_status(status: ray_pb2.GcsStatus) -> None:
    if status.code != 0:
        raise Unbelievable(f"Ray answered status {status.code}: {status.message}")


def _node(node: ray_pb2.GcsNodeInfo) -> NodeInfo:
    if len(node.node_id) != NODE_ID_BYTES:
        raise Unbelievable(f"a node's id has {len(node.node_id)} bytes instead of {NODE_ID_BYTES}")
    return NodeInfo(
        node_id=node.node_id,
        instance_id=node.instance_id,
        group=node.node_type_name,
        ip=node.node_manager_address,
        alive=node.state != _DEAD_NODE,
        head=node.is_head_node,
        started=node.start_time_ms / 1000,
        ended=node.end_time_ms / 1000,
        cause=_DEATH.get(node.death_info.reason, DeathCause.UNKNOWN),
        death=node.death_info.reason_message,
    )


def _job(job: ray_pb2.JobTableData) -> JobInfo:
    return JobInfo(job.job_id, not job.is_dead, job.start_time / 1000, job.end_time / 1000, job.entrypoint)


def _actor(actor: ray_pb2.ActorTableData) -> ActorInfo:
    return ActorInfo(
        actor_id=actor.actor_id,
        job_id=actor.job_id,
        state=_ACTOR_STATE.get(actor.state, ActorState.ALIVE),
        node_id=actor.node_id,
        restarts_left=None if actor.max_restarts < 0 else max(actor.max_restarts - actor.num_restarts, 0),
        detached=actor.is_detached,
        name=actor.name,
        class_name=actor.class_name,
        placement_group=actor.placement_group_id.hex(),
    )
