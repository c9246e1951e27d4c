"""Pods that should leave are deleted, or drained by Ray."""

from rayfleet.kinds.raycluster.actions import Cause
from rayfleet.kinds.raycluster.leaving.leave import Leave, Unit, ended, pod_leaves, steps
from rayfleet.ray.state import RayView
from support.builders import cluster, ended_by_kubelet, group, ray_ended, replica, spec, worker
from support.queued_clusters import node, scaled

OF = scaled()
POD = worker(OF, 1)
NODE = (POD.name, node(POD).node_id)


def test_a_pod_without_work_is_deleted_with_its_reason() -> None:
    [delete] = steps([pod_leaves(POD, Cause.SURPLUS, "2 pods, 1 wanted")]).deletes
    assert (delete.uid, delete.cause, delete.reason) == (POD.uid, Cause.SURPLUS, "2 pods, 1 wanted")


def test_a_terminating_pod_is_not_deleted_again() -> None:
    assert not steps([ended(worker(OF, 1, end=ray_ended(), deleting=True))]).deletes


def test_an_idle_node_is_drained_first_and_nothing_is_deleted() -> None:
    deletes, drains = steps([Leave(Unit((POD,)), Cause.IDLE, "idle", (NODE,))], RayView())
    assert not deletes
    assert [(drain.pod, drain.node_id) for drain in drains] == [NODE]


def test_ray_is_not_asked_twice_nor_just_after_a_refusal() -> None:
    leave = Leave(Unit((POD,)), Cause.IDLE, "idle", (NODE,))
    assert not steps([leave], RayView(drained=frozenset({NODE[1]}))).drains
    assert not steps([leave], RayView(kept={NODE[1]: 0.0})).drains


def test_a_replica_leaves_whole_and_its_ended_host_has_its_own_reason() -> None:
    of = cluster(spec(group("tpu", numOfHosts=2)))
    first, second = replica(of, 1, hosts=2)
    evicted = {"phase": "Failed", "end": ended_by_kubelet("Evicted")}
    hosts = (first, worker(of, 2, group_name="tpu", host=second.host, **evicted))
    name = first.host.replica if first.host is not None else ""
    deletes = steps([Leave(Unit(hosts, name), Cause.BROKEN_REPLICA, "host 1 has ended")]).deletes
    assert [(one.cause, one.reason, one.replica) for one in deletes] == [
        (Cause.BROKEN_REPLICA, f"replica {name}: host 1 has ended", name),
        (Cause.ENDED, "Evicted", name),
    ]
