"""An operator that finds an idle drain half done: what Ray has drained goes, and nothing replaces it."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycluster.plan import Cause, DrainNode, Plan, plan
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import Demand, NodeStatus, RayNode
from support.builders import cluster, group, head, replica, snapshot, spec, worker
from support.queued_clusters import GPU_TASK, creates, node, scaled, view

DESIRED = {"groupName": "gpu", "observedReplicas": 0, "lastIndex": 3}
WRITTEN_BEFORE: Mapping[str, Any] = {"workerGroups": [{**DESIRED, "desired": 3}]}
WRITTEN_AFTER: Mapping[str, Any] = {"workerGroups": [{**DESIRED, "desired": 1}]}


def found(
    of: Root, pods: list[Pod], states: Mapping[Pod, NodeStatus], *demands: Demand, **around: Any
) -> Plan:
    """What is planned where nodes are in these states, else busy; dead ones were drained before we came."""
    nodes = [node(pod, states.get(pod, NodeStatus.RUNNING), idle=90.0) for pod in [head(of), *pods]]
    dead = frozenset(one.node_id for one in nodes if one.status is NodeStatus.DEAD)
    around = {"acted_on": {}, "drained": frozenset(), **around}
    drained = around.pop("drained")
    scaling = view(nodes, *demands, **around)
    ray = replace(scaling.ray, drained=drained, found_drained=dead - drained)
    return plan(snapshot(of, [head(of), *pods], scaling=replace(scaling, ray=ray)))


@pytest.mark.parametrize("status", [WRITTEN_BEFORE, WRITTEN_AFTER, {}], ids=["before", "after", "wiped"])
def test_a_drained_node_goes_once_sizes_no_longer_count_it_and_is_not_replaced(
    status: Mapping[str, Any],
) -> None:
    """The smaller size may have been written by then or not."""
    of = replace(scaled(), status=status)
    pods = [worker(of, n) for n in (1, 2, 3)]
    states = dict.fromkeys(pods[1:], NodeStatus.DEAD)
    decided = found(of, pods, states)
    assert not decided.actions
    assert decided.decision is not None
    assert decided.decision.group("gpu").wanted == 1
    assert decided.requeue_after == 0.0
    next_pass = found(of, pods, states, **known(*pods[1:], wanted=1))
    assert {(delete.name, delete.cause) for delete in next_pass.deletes} == {
        (pod.name, Cause.IDLE) for pod in pods[1:]
    }
    assert not creates(next_pass)


def known(*drained: Pod, wanted: int) -> dict[str, Any]:
    """What a pass leaves that has found these drained."""
    ids = frozenset(node(pod).node_id for pod in drained)
    return {"drained": ids, "acted_on": {drained[0].group: Sizing(wanted, 0)}}


def test_work_that_came_meanwhile_gets_only_the_workers_that_it_needs() -> None:
    """One task waits, two nodes were drained."""
    of = replace(scaled(), status=WRITTEN_BEFORE)
    pods = [worker(of, n) for n in (1, 2, 3)]
    decided = found(of, pods, dict.fromkeys(pods[1:], NodeStatus.DEAD), Demand(GPU_TASK, 1))
    assert len(creates(decided)) == 1


def test_a_node_that_is_found_drained_while_we_run_is_not_replaced() -> None:
    """The previous operator asked just before it ended."""
    of = scaled()
    pods = [worker(of, n) for n in (1, 2)]
    decided = found(of, pods, {pods[1]: NodeStatus.DEAD}, acted_on={"gpu": Sizing(2, 0)})
    assert not decided.actions
    assert decided.decision is not None
    assert decided.decision.group("gpu").wanted == 1


def test_a_node_that_is_being_drained_is_neither_free_nor_drained_again_nor_replaced() -> None:
    """The drain was accepted and the node is not dead yet; we do not know who asked."""
    of = replace(scaled(), status=WRITTEN_BEFORE)
    pods = [worker(of, n) for n in (1, 2)]
    states = {pods[1]: NodeStatus.DRAINING}
    of = replace(of, status={"workerGroups": [{**DESIRED, "desired": 2}]})
    assert not found(of, pods, states).actions
    assert len(creates(found(of, pods, states, Demand(GPU_TASK, 1)))) == 1


def slices() -> tuple[Root, list[Pod]]:
    """Two replicas of two hosts each, by the status as well."""
    start = {"num-cpus": "1", "num-gpus": "1"}
    tpu = group("tpu", replicas=0, maxReplicas=3, numOfHosts=2, rayStartParams=start)
    status = {"workerGroups": [{"groupName": "tpu", "desired": 4, "observedReplicas": 0, "lastIndex": 4}]}
    of = cluster(spec(tpu, enableInTreeAutoscaling=True), status=status)
    return of, [*replica(of, 1, hosts=2), *replica(of, 3, hosts=2)]


def asked(decided: Plan) -> list[str]:
    return [action.pod for action in decided.actions if isinstance(action, DrainNode)]


def test_the_other_hosts_of_a_replica_are_drained_too() -> None:
    """One host was drained, the other not asked for yet: the replica goes whole, and is not replaced."""
    of, pods = slices()
    decided = found(of, pods, {pods[2]: NodeStatus.DEAD, pods[3]: NodeStatus.IDLE})
    assert asked(decided) == [pods[3].name]
    assert not decided.deletes
    assert not creates(decided)
    both = dict.fromkeys(pods[2:], NodeStatus.DEAD)
    gone = found(of, pods, both, **known(*pods[2:], wanted=1))
    assert sorted(delete.name for delete in gone.deletes) == sorted(pod.name for pod in pods[2:])
    assert not creates(gone)


def test_a_host_that_has_become_busy_keeps_its_replica_until_it_is_idle() -> None:
    """It does not matter who drained the other one."""
    of, pods = slices()
    for around in ({}, known(pods[2], wanted=1)):
        busy = found(of, pods, {pods[2]: NodeStatus.DEAD}, **around)
        assert (asked(busy), busy.deletes, creates(busy)) == ([], (), [])
        states = {pods[2]: NodeStatus.DEAD, pods[3]: NodeStatus.IDLE}
        assert asked(found(of, pods, states, **around)) == [pods[3].name]


def test_nothing_is_done_before_the_queue_is_known() -> None:
    """The last answer may be an old one."""
    of = replace(scaled(), status=WRITTEN_BEFORE)
    pods = [worker(of, n) for n in (1, 2, 3)]
    nodes: list[RayNode] = [node(head(of)), *(node(pod, NodeStatus.DEAD) for pod in pods)]
    scaling = view(nodes, acted_on={})
    ray = replace(scaling.ray, found_drained=frozenset(n.node_id for n in nodes[1:]), trouble="silent")
    decided = plan(snapshot(of, [head(of), *pods], scaling=replace(scaling, ray=ray)))
    assert not decided.actions


def test_the_rest_of_a_replica_does_not_count_while_the_queue_is_not_known() -> None:
    """The previous operator died while deleting it; the size that it wrote counts."""
    of, pods = slices()
    status = {"workerGroups": [{"groupName": "tpu", "desired": 2, "observedReplicas": 0, "lastIndex": 4}]}
    of = replace(of, status=status)
    decided = plan(snapshot(of, [head(of), *pods[:3]]))
    assert [delete.name for delete in decided.deletes] == [pods[2].name]
    assert not creates(decided)
    assert decided.decision is not None
    assert decided.decision.group("tpu").wanted == 1
