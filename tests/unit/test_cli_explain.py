"""`rayfleet explain`: from objects and a queue to its text."""

import json
import re
from typing import Any

import pytest

from rayfleet.autoscaling.limits import ceilings_from_annotations
from rayfleet.cli.durations import duration
from rayfleet.cli.explanation_data import explanation_data
from rayfleet.cli.explanation_text import explanation_text
from rayfleet.cli.tables import WIDTH
from rayfleet.explain.sources import EventNote
from rayfleet.kinds.raycluster.status import rfc3339
from rayfleet.ray.state import Gang, NodeStatus, Strategy
from support.builders import NOW, spec
from support.demand_cases import resources, state, tasks
from support.explanations import GPU, SPEC, explained, gpu_node, gpu_worker, ray, recorded, words

HELD = {"status": "False", "reason": "DemandHeld", "message": "held", "lastTransitionTime": rfc3339(NOW - 90)}


def test_a_waiting_task_is_served_by_a_pod_that_is_about_to_be_created() -> None:
    """This answers the most common question."""
    said = words(explained(ray(tasks(2, GPU=1))))
    assert "2 1 GPU all on gpu (to be started)" in said
    assert "now: 2 pods of group gpu are created:" in said


def test_a_gang_that_is_too_large_names_what_holds_it() -> None:
    """Nothing is started for a part of it."""
    gang = Gang("a1b2c3d4e5f60718", Strategy.PACK, (tasks(4, GPU=1),))
    said = words(explained(ray(gangs=[gang])))
    assert "1 GPU, each; gang a1b2c3d4e5f6 all wait: gpu is at its max of 3 replicas" in said
    assert "(all of its bundles are needed at once)" in said
    assert "Next Nothing, unless something changes." in said


def test_a_pod_that_finds_no_node_is_shown_with_the_words_of_the_scheduler() -> None:
    """The task that waits for it shows the same message."""
    lacks = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    pod = gpu_worker(
        1,
        ready=False,
        phase="Pending",
        unready_reason="Unschedulable",
        unready_words=lacks,
        readiness_since=NOW - 30,
        created=NOW - 31,
    )
    said = words(explained(ray(tasks(1, GPU=1)), pod, status=recorded(1)))
    assert "1 1 GPU 1 on gpu (starting)" in said
    assert f"{pod.name} gpu 30 s Unschedulable: {lacks}" in said
    assert f"as large as it should be; its pods do not start: Unschedulable: {lacks}" in said
    assert "in 14 min: time alone may change the decision" in said


def test_a_pod_that_runs_and_never_joins_is_shown_as_late() -> None:
    """The operator counts from its start, or the head's, whichever is later."""
    said = words(explained(ray(tasks(1, GPU=1)), gpu_worker(1), status=recorded(1)))
    assert "its pods do not start: NotJoined: it runs, but has not joined Ray" in said


QUOTA = 'pods "demo-gpu-worker-x-1" is forbidden: exceeded quota: q'
REFUSED = EventNote(NOW - 30, "FailedToCreateWorkerPod", f"group gpu: {QUOTA}", warning=True, times=3)


def held(reason: str, message: str, desired: int = 1) -> dict[str, Any]:
    """A status that says why pods of the group cannot be created."""
    status = recorded(desired)
    status["workerGroups"][0] |= {"reason": reason, "message": message, "since": rfc3339(NOW - 60)}
    return status


def test_a_pod_that_is_refused_is_shown_with_the_words_of_the_api_server() -> None:
    """There is no pod to show, and the demand is not shown as served. No event is needed."""
    found = explained(ray(tasks(1, CPU=1, GPU=1)), status=held("QuotaExceeded", QUOTA))
    assert found.groups[0].reason.endswith(f"its pods do not start: QuotaExceeded: {QUOTA}")
    assert [step.words for step in found.steps][:1] == [f"waits: {QUOTA}"]
    data = explanation_data(found)["groups"][0]["held"]
    assert data == {"reason": "QuotaExceeded", "message": QUOTA, "since": rfc3339(NOW - 60)}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Ceiling", "1 pod of gpu waits for 1 GPU: at most 0 GPUs in total (ceilings.gpusTotal)"),
        ("TemplateRefused", "spec.containers[0].image: Required value"),
    ],
)
def test_pods_that_the_operator_holds_back_are_not_shown_as_about_to_be_created(
    reason: str, words: str
) -> None:
    """It alone knows its ceilings, and the API server's answer to a template."""
    found = explained(ray(tasks(1, CPU=1, GPU=1)), status=held(reason, words))
    assert [step.words for step in found.steps][:1] == [f"waits: {words}"]
    assert "do not come" not in found.groups[0].reason


def test_a_group_of_a_cluster_of_fixed_size_says_why_its_pods_cannot_be_created() -> None:
    """There is no decision that could say so."""
    found = explained(None, status=held("QuotaExceeded", QUOTA), manifest=spec(GPU))
    assert "its pods cannot be created: " in words(found)
    assert "exceeded quota: q" in words(found)


def test_a_group_of_a_cluster_of_fixed_size_says_why_its_pods_do_not_start() -> None:
    """The oldest fault, in the kubelet's words; a pod that is merely starting has none."""
    pulls = 'Back-off pulling image "rayproject/ray:typo"'
    stuck = gpu_worker(
        1,
        ready=False,
        phase="Pending",
        unready_reason="ImagePullBackOff",
        unready_words=pulls,
        readiness_since=NOW - 30,
        created=NOW - 31,
    )
    starting = gpu_worker(2, ready=False, phase="Pending", created=NOW - 60)
    found = explained(None, stuck, starting, manifest=spec(GPU | {"replicas": 2}))
    assert f"its pods do not start: ImagePull: {pulls}" in words(found)
    assert explanation_data(found)["groups"][0]["notStarting"] == f"ImagePull: {pulls}"
    assert explained(None, starting, manifest=spec(GPU)).groups[0].not_starting == ""


def test_a_refusal_that_is_over_is_not_shown() -> None:
    """The status no longer reports it, whatever the events and other groups say."""
    failure = {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": rfc3339(NOW - 60)}
    failure |= {"reason": "FailedCreateWorkerPod", "message": "group other: exceeded quota"}
    found = explained(ray(), status=recorded(1, conditions=[failure]), events=(REFUSED,))
    assert "do not come" not in found.groups[0].reason
    assert explanation_data(found)["groups"][0]["held"] is None
    assert [step.words for step in found.steps][:1] == [
        "1 pod of group gpu is created: 1 pod fewer than wanted"
    ]


@pytest.mark.parametrize("forged", [7, None, [], {"a": 1}, True])
def test_any_value_of_a_hold_in_the_status_can_be_read(forged: object) -> None:
    status = recorded(1)
    status["workerGroups"][0] |= {"reason": forged, "message": forged, "since": forged}
    assert explanation_data(explained(ray(), status=status))["groups"][0]["held"] is None
    status["workerGroups"][0]["reason"] = "OfALaterVersion"
    (found,) = explanation_data(explained(ray(), status=status))["groups"]
    assert found["held"] == {"reason": "OfALaterVersion", "message": "", "since": None}


def test_an_idle_node_says_how_long_it_has_been_idle_and_when_it_goes() -> None:
    """The longest idle first; one that is busy has no clock."""
    idle, busy = gpu_worker(1), gpu_worker(2)
    nodes = (
        gpu_node(idle, status=NodeStatus.IDLE, idle_seconds=12.0),
        gpu_node(busy, available=resources(CPU=4)),
    )
    found = explained(ray(nodes=nodes), idle, busy, status=recorded(2))
    (clock,) = found.idle
    assert (clock.pod, clock.idle, clock.timeout, clock.goes_in) == (idle.name, 12.0, 60.0, 48.0)
    assert f"{idle.name} gpu 12 s 60 s in 48 s, if no work comes" in words(found)
    assert f"in 48 s: Ray is asked to drain the node of pod {idle.name}, if no work" in words(found)


def test_a_node_past_its_timeout_is_about_to_go() -> None:
    """The operator asks Ray first."""
    pod = gpu_worker(1)
    nodes = (gpu_node(pod, status=NodeStatus.IDLE, idle_seconds=75.0),)
    said = words(explained(ray(nodes=nodes), pod, status=recorded(1)))
    assert "now: idle for its timeout of 60 s" in said
    assert f"now: Ray is asked to drain the node of pod {pod.name}" in said


def test_a_node_that_min_keeps_is_shown_as_kept() -> None:
    """Two are idle above a min of one: the longer idle goes."""
    kept, gone = gpu_worker(1), gpu_worker(2)
    nodes = (
        gpu_node(kept, status=NodeStatus.IDLE, idle_seconds=5.0),
        gpu_node(gone, status=NodeStatus.IDLE, idle_seconds=20.0),
    )
    manifest = spec(GPU | {"minReplicas": 1}, enableInTreeAutoscaling=True)
    found = explained(ray(nodes=nodes), kept, gone, status=recorded(2), manifest=manifest)
    assert [(clock.pod, clock.goes_in) for clock in found.idle] == [(gone.name, 40.0), (kept.name, None)]
    assert "stays: the group is at its min of 1" in words(found)


def test_a_node_that_request_resources_needs_is_shown_as_kept() -> None:
    """Busy or not, it stays."""
    pod = gpu_worker(1)
    nodes = (gpu_node(pod, status=NodeStatus.IDLE, idle_seconds=5.0),)
    found = explained(ray(nodes=nodes, constraints=[(tasks(1, GPU=1),)]), pod, status=recorded(1))
    assert "stays: waiting work, request_resources, a metric or a window needs it" in words(found)


def test_a_node_of_a_group_that_follows_a_metric_is_not_shown_as_going() -> None:
    """Only the operator knows what the metric asks for; a fault of the metric is shown."""
    pod = gpu_worker(1)
    nodes = (gpu_node(pod, status=NodeStatus.IDLE, idle_seconds=75.0),)
    metric = {"type": "Prometheus", "query": "waiting", "targetValue": "1", "workerGroup": "gpu"}
    manifest = spec(GPU, enableInTreeAutoscaling=True, autoscalerOptions={"metrics": [metric]})
    status = recorded(1, autoscaler={"faults": ["query waiting: no answer"]})
    found = explained(ray(nodes=nodes), pod, status=status, manifest=manifest)
    assert [clock.goes_in for clock in found.idle] == [None]
    assert "Fault: query waiting: no answer" in words(found)


def test_a_cluster_that_is_left_alone_says_why() -> None:
    """Its queue is known, and nothing is decided by it."""
    said = words(explained(ray(tasks(1, GPU=1)), manifest=SPEC | {"suspend": True}))
    assert "The queue is not acted on: spec.suspend is not acted on yet: no pod is created" in said
    assert "Nothing waits" not in said


def test_a_node_that_ray_is_draining_is_leaving() -> None:
    """Its idle time no longer matters."""
    pod = gpu_worker(1)
    found = explained(ray(nodes=(gpu_node(pod, status=NodeStatus.DRAINING),)), pod, status=recorded(0))
    assert [(clock.goes_in, clock.words) for clock in found.idle] == [(0.0, "leaving")]


def test_reasons_that_only_the_operator_knows_are_added() -> None:
    """A ceiling of its settings is one: it holds back what could start otherwise."""
    message = "gpu: at most 0 GPUs in total (ceilings.gpusTotal of the operator's settings)"
    noted = {"kind": "tasks", "resources": {"GPU": "1"}, "reason": "Ceiling", "message": message}
    found = explained(ray(tasks(1, GPU=1)), status=recorded(0, autoscaler={"unserved": [noted]}))
    assert f"held by {message}" in words(found)
    assert explanation_data(found)["demand"][0]["holds"] == [{"kind": "Ceiling", "message": message}]


def test_a_ceiling_of_the_namespace_on_each_cluster_counts() -> None:
    """It is read from the namespace."""
    ceilings = ceilings_from_annotations({"rayfleet.io/max-gpus-per-cluster": "1"})
    found = explained(ray(tasks(2, GPU=1)), ceilings=ceilings)
    assert "at most 1 GPUs of the cluster (annotation rayfleet.io/max-gpus-per-cluster" in words(found)


NOTED = {
    "kind": "tasks",
    "resources": {"CPU": "64"},
    "reason": "Infeasible",
    "message": "64 CPUs on one node: the largest group has 4",
}


def test_without_the_head_the_operators_status_is_shown() -> None:
    """The first line says why the queue is unknown."""
    found = explained(
        None,
        status=recorded(2, autoscaler={"unserved": [NOTED]}, conditions=[{"type": "Autoscaling"} | HELD]),
        trouble="you may not port-forward to the head",
    )
    said = words(found)
    assert "The queue cannot be seen from here: you may not port-forward to the head." in said
    assert "Autoscaling=False (DemandHeld) for 90 s: held" in said
    assert "64 CPUs tasks Infeasible 64 CPUs on one node: the largest group has 4" in said
    assert "gpu 2 0 0 0 3 60 s -" in said
    data = explanation_data(found)
    assert data["queue"] == {"known": False, "message": "you may not port-forward to the head"}
    assert data["noted"][0]["message"] == NOTED["message"]


def test_no_decision_is_made_on_an_answer_without_the_head_itself() -> None:
    """The operator makes none, either."""
    found = explained(state(tasks(1, GPU=1)))
    assert not found.known
    assert "Ray's head does not list itself" in words(found)


def test_a_cluster_that_the_operator_does_not_scale_says_so() -> None:
    """Its groups are still shown."""
    said = words(explained(None, manifest=spec(GPU), trouble="never asked"))
    assert "The operator does not scale this cluster by its queue" in said
    assert "never asked" not in said
    assert "gpu 0 0 0 0 3 - -" in said


@pytest.mark.parametrize(
    "autoscaler",
    [None, [], "text", {"unserved": "text"}, {"unserved": [1, {}]}, {"unserved": [{"resources": 1}]}],
)
def test_a_status_of_any_shape_can_be_read(autoscaler: object) -> None:
    """Another version may have written it."""
    conditions = [{"type": "Autoscaling", "lastTransitionTime": "yesterday"}, {}, 1]
    found = explained(None, status={"autoscaler": autoscaler, "conditions": conditions}, trouble="no head")
    assert json.loads(json.dumps(explanation_data(found)))["cluster"] == "demo"
    assert explanation_text(found)


def test_only_conditions_that_report_trouble_are_shown() -> None:
    """Others are left out."""
    conditions = [
        {"type": "ReplicaFailure", "status": "True", "reason": "Quota", "message": "exceeded quota"},
        {"type": "Valid", "status": "True", "reason": "SpecAccepted"},
        {"type": "Supported", "status": "False", "reason": "FieldsNotActedOn", "message": "a field"},
    ]
    said = words(explained(ray(), status=recorded(0, conditions=conditions)))
    assert "ReplicaFailure=True (Quota): exceeded quota Supported=False" in said
    assert "Valid" not in said


def test_the_last_events_are_shown_with_their_age() -> None:
    """The oldest comes first, and repeated events are one line."""
    events = [EventNote(NOW - 100 + n, "ScalingUp", f"step {n}", False, 1) for n in range(9)]
    said = words(explained(ray(), events=(*events, EventNote(NOW - 1, "FailedToCreate", "no", True, 7))))
    assert "step 1 " not in said
    assert "92 s ago ScalingUp step 8 1 s ago FailedToCreate no (x7)" in said


def test_objects_that_could_not_be_read_are_named() -> None:
    """An empty list and a forbidden one are not the same."""
    said = words(explained(ray(), missing=("events cannot be read: events is forbidden",)))
    assert "Not known: events cannot be read: events is forbidden" in said


def test_pods_that_cannot_be_read_are_not_shown_as_none() -> None:
    """Unknown is not zero."""
    found = explained(None, missing=("pods cannot be read: pods is forbidden",), pods_known=False)
    assert [(one.there, one.ready) for one in found.groups] == [(None, None)]
    assert re.search(r"gpu +0 +- +- +0", explanation_text(found))


def test_the_text_fits_a_hundred_columns() -> None:
    """That holds for any names and messages."""
    name = "p" * 63
    pod = gpu_worker(1, name=name, ready=False, unready_reason="ImagePullBackOff", unready_words="w " * 200)
    selectors = tuple((("label" * 9, ("value" * 9,), False),) for _ in range(3))
    demand = tasks(3, *selectors, **{"r" * 120: 1.0})  # type: ignore[arg-type]  # as named tuples
    found = explained(ray(demand), pod, events=(EventNote(NOW, "R" * 60, "message " * 40, True, 1),))
    assert max(map(len, explanation_text(found).splitlines())) <= WIDTH


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (2e5, "2 d"),
    ],
)
def test_a_duration_has_a_fitting_unit(seconds: float, said: str) -> None:
    """It has seconds for short waits, days for long ones."""
    assert duration(seconds) == said


def test_the_reason_why_a_cluster_of_fixed_size_waits_is_shown() -> None:
    """The condition Ready has a ceiling or a gate that nothing else names."""
    words = "2 pods of gpu wait for 2 GPUs: at most 1 GPUs of the cluster (annotation x)"
    ready = {"type": "Ready", "status": "False", "reason": "PodsNotReady", "message": words}
    entry = ready | {"lastTransitionTime": rfc3339(NOW - 90)}
    fixed = explained(None, status={"conditions": [entry]}, manifest=spec(GPU))
    assert words in " ".join(explanation_text(fixed).split())
    scaling = explained(None, status=recorded(0, conditions=[entry]))
    assert words not in " ".join(explanation_text(scaling).split())
