"""`rayfleet explain` while no operator acts: what is due is not shown as about to happen."""

import re

import pytest

from rayfleet.cli.explanation_data import explanation_data
from rayfleet.explain.sources import EventNote
from rayfleet.kinds.raycluster.status import rfc3339
from rayfleet.ray.state import NodeStatus
from support.builders import NOW, spec
from support.demand_cases import tasks
from support.explanations import GPU, explained, gpu_node, gpu_worker, ray, recorded, words

WRITTEN = {"lastUpdateTime": rfc3339(NOW - 3000)}
"""A status that was written 50 minutes ago, a while after the head was created."""
SILENT = (
    "The operator last acted on this cluster 50 min ago, and it acts within seconds: if the same is due when"
    " you ask again, does it run?"
)


def test_what_an_operator_that_does_not_run_leaves_undone_is_due() -> None:
    """Nothing creates these pods, whatever the decision is."""
    found = explained(ray(tasks(2, GPU=1)), status=recorded(0, **WRITTEN))
    assert f"due: 2 pods of group gpu are created: 2 more replicas, as work waits for them {SILENT}" in words(
        found
    )
    assert explanation_data(found)["operatorSilentSince"] == rfc3339(NOW - 3000)


@pytest.mark.parametrize("quiet", [None, 59, 61])
def test_an_operator_that_acted_in_the_last_minute_is_not_called_silent(quiet: float | None) -> None:
    """Nor is one whose status has no time."""
    status = recorded(0) if quiet is None else recorded(0, lastUpdateTime=rfc3339(NOW - quiet))
    found = explained(ray(tasks(2, GPU=1)), status=status)
    assert found.silent_since == (NOW - 61 if quiet == 61 else None)


@pytest.mark.parametrize("late", ["condition", "event", "pod"])
def test_every_trace_of_the_operator_counts(late: str) -> None:
    """A condition, an event or a new pod shows that it acts."""
    condition = {"type": "Ready", "lastTransitionTime": rfc3339(NOW - 30)}
    found = explained(
        ray(tasks(2, GPU=1)),
        *([gpu_worker(1, ready=False, phase="Pending", created=NOW - 30)] if late == "pod" else []),
        status=recorded(int(late == "pod"), **WRITTEN, conditions=[condition] if late == "condition" else []),
        events=(EventNote(NOW - 30, "ScalingUp", "", False, 1),) if late == "event" else (),
    )
    assert found.silent_since is None
    assert re.search(r"now: \d pods? of group gpu (is|are) created", words(found))


def test_an_operator_that_has_nothing_to_do_is_not_called_silent() -> None:
    """At rest it writes nothing for days."""
    assert explained(ray(), status=recorded(0, **WRITTEN)).silent_since is None
    idle = gpu_worker(1)
    nodes = (gpu_node(idle, status=NodeStatus.IDLE, idle_seconds=12.0),)
    later = explained(ray(nodes=nodes), idle, status=recorded(1, **WRITTEN))
    assert later.steps
    assert later.silent_since is None


def test_an_operator_that_waits_for_a_window_is_not_called_silent() -> None:
    """Only it remembers the earlier recommendations."""
    rules = {"scaleDown": {"stabilizationWindowSeconds": 1200}}
    slow = spec(GPU, enableInTreeAutoscaling=True, autoscalerOptions={"behavior": rules})
    for age, silent in ((1250, False), (1270, True)):
        status = recorded(0, lastUpdateTime=rfc3339(NOW - age))
        found = explained(ray(tasks(1, GPU=1)), status=status, manifest=slow)
        assert (found.silent_since is not None) == silent


@pytest.mark.parametrize("reason", ["Ceiling", "Rate", "Withheld"])
def test_an_operator_that_says_why_it_holds_demand_back_is_not_called_silent(reason: str) -> None:
    """Its settings are not known here."""
    noted = {"kind": "tasks", "resources": {"GPU": "1"}, "reason": reason, "message": "gpu: held"}
    status = recorded(0, **WRITTEN, autoscaler={"unserved": [noted]})
    assert explained(ray(tasks(1, GPU=1)), status=status).silent_since is None


def test_an_operator_that_leaves_the_cluster_to_another_one_is_not_called_silent() -> None:
    managed = {"type": "Managed", "status": "False", "reason": "OtherOperator", "message": "KubeRay"}
    status = recorded(0, **WRITTEN, conditions=[managed])
    assert explained(ray(tasks(1, GPU=1)), status=status).silent_since is None
