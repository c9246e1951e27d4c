"""The states of a pod that leaves."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.leaving.states import (
    NOT_ASKED,
    Counts,
    PodState,
    Reported,
    reported_by,
    state_of,
)
from rayfleet.ray.state import NodeStatus, RayState, RayView
from support.builders import ray_ended, worker
from support.queued_clusters import node, scaled

OF = scaled()
POD = worker(OF, 1)
NODE = node(POD).node_id
NAMED = frozenset({POD.name})


def ray(*statuses: NodeStatus, **fields: Any) -> RayView:
    return RayView(
        RayState("session", 7, tuple(node(POD, status) for status in statuses), (), (), ()), **fields
    )


@pytest.mark.parametrize(
    ("view", "dead", "state"),
    [
        (ray(NodeStatus.RUNNING), (), PodState.KEEP),
        (ray(NodeStatus.IDLE), (), PodState.KEEP),
        (ray(), (), PodState.COMING),
        (RayView(), (), PodState.COMING),
        (ray(NodeStatus.DEAD), (), PodState.COMING),
        (ray(NodeStatus.DEAD), NAMED, PodState.DEAD),
        (ray(NodeStatus.IDLE, drained=frozenset({NODE})), (), PodState.ASKED),
        (ray(NodeStatus.IDLE, kept={NODE: 0.0}), (), PodState.REFUSED),
        (ray(NodeStatus.DRAINING, drained=frozenset({NODE})), (), PodState.DRAINING),
        (ray(NodeStatus.DEAD, drained=frozenset({NODE})), NAMED, PodState.DEAD),
    ],
)
def test_the_state_of_a_living_pod_is_that_of_its_ray_node(
    view: RayView, dead: frozenset[str], state: PodState
) -> None:
    assert state_of(POD, reported_by(view, dead)) is state


def test_a_node_that_somebody_else_drains_counts_until_it_is_dead() -> None:
    assert state_of(POD, reported_by(ray(NodeStatus.DRAINING), ())) is PodState.KEEP


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"deleting": True}, PodState.GOING),
        ({"deleting": True, "end": ray_ended()}, PodState.GOING),
        ({"end": ray_ended()}, PodState.SETTLING),
        ({"phase": "Failed"}, PodState.SETTLING),
    ],
)
def test_the_state_in_kubernetes_goes_before_that_in_ray(changes: dict[str, Any], state: PodState) -> None:
    asked = Reported(joined=NAMED, asked=NAMED, dead=NAMED)
    assert state_of(worker(OF, 1, **changes), asked) is state


def test_without_a_queue_a_ready_pod_counts_as_joined() -> None:
    assert state_of(POD, NOT_ASKED) is PodState.KEEP
    assert state_of(worker(OF, 1, ready=False), NOT_ASKED) is PodState.COMING


def test_every_state_has_its_successors_and_all_paths_end_with_termination() -> None:
    for state in PodState:
        assert all(name in PodState.__members__ for name in state.follow)
        assert state is PodState.GOING or PodState.GOING.name in state.follow
    assert not PodState.GOING.follow


def test_only_living_pods_are_kept_or_leaving() -> None:
    living = {state.name for state in PodState if state.lives}
    assert living == {"KEEP", "COMING", "REFUSED", "MARKED", "ASKED", "DRAINING"}
    assert {state.name for state in PodState if state.counts is Counts.LEAVING} == {
        "MARKED",
        "ASKED",
        "DRAINING",
    }
