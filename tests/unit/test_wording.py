"""Messages for users name the trouble and its purpose, and agree with numbers."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.autoscaling import DemandAnswer, DemandHold, DemandKind, HoldKind, words
from rayfleet.autoscaling.summary import summary_of
from rayfleet.cli.explanation_data import explanation_data
from rayfleet.cli.explanation_text import explanation_text
from rayfleet.engine.outcome import Succeeded
from rayfleet.explain.explanation import explanation_of
from rayfleet.explain.sources import Queue, Sources
from rayfleet.kinds.raycluster.leaving.ray_nodes import node_trouble
from rayfleet.kinds.raycluster.plan import CreatePod, plan
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kinds.raycluster.status import compute_status, events_of, rfc3339
from rayfleet.kube.objects.pods import pod_from_object
from rayfleet.ray.state import Demand, RayView, Shape
from support.builders import NOW, UID, cluster, group, head, parsed, snapshot, spec, worker
from support.queued_clusters import GPU_TASK, creates, node, scaled, view

MISSING = 'secret "hub-token" not found'


def worker_object(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A worker of the API server whose containers have not been ready for 200 seconds."""
    since = rfc3339(NOW - 200)
    owner = {"kind": "RayCluster", "name": "demo", "uid": UID, "controller": True}
    return {
        "metadata": {
            "namespace": "ml",
            "name": "demo-gpu-worker-1",
            "uid": "u1",
            "resourceVersion": "7",
            "creationTimestamp": rfc3339(NOW - 900),
            "labels": {"ray.io/node-type": "worker", "ray.io/group": "gpu", "ray.io/cluster": "demo"},
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": "n1", "containers": [{"name": one["name"]} for one in containers]},
        "status": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": since},
                {
                    "type": "Ready",
                    "status": "False",
                    "reason": "ContainersNotReady",
                    "message": "containers with unready status: [ray]",
                    "lastTransitionTime": since,
                },
            ],
            "initContainerStatuses": list(init),
            "containerStatuses": list(containers),
        },
    }


def container(name: str, ready: bool = False, restarts: int = 0, **state: Any) -> dict[str, Any]:  # noqa: FBT001, FBT002 - as in a pod
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state}


CRASH = {"exitCode": 137, "reason": "OOMKilled"}
WAITING = {
    "a Secret is missing": (
        (container("ray", waiting={"reason": "CreateContainerConfigError", "message": MISSING}),),
        ("ray", "CreateContainerConfigError", MISSING),
    ),
    "the image cannot be pulled": (
        (
            container("proxy", ready=True, running={}),
            container("ray", waiting={"reason": "ImagePullBackOff", "message": "Back-off pulling x:y"}),
        ),
        ("ray", "ImagePullBackOff", "Back-off pulling x:y"),
    ),
    "a sidecar ends again and again": (
        (
            container("ray", ready=True, running={}),
            container("logs", restarts=5, waiting={"reason": "CrashLoopBackOff"}, terminated=None)
            | {"lastState": {"terminated": CRASH}},
        ),
        ("logs", "CrashLoopBackOff", "OOMKilled, exit code 137"),
    ),
    "it runs and is not ready": (
        (container("ray", running={"startedAt": rfc3339(NOW - 190)}),),
        ("ray", "Running", "it is not ready yet: see its readiness probe"),
    ),
    "nothing has been started": ((), ("", "Pending", "no container has been started yet")),
}


@pytest.mark.parametrize("case", WAITING)
def test_the_message_about_an_unready_pod_has_the_container_its_state_since_when_and_why(
    case: str,
) -> None:
    """`ContainersNotReady` says no more than "not ready"."""
    containers, (name, reason, message) = WAITING[case]
    of = cluster(spec(group(replicas=1)))
    pod = pod_from_object(worker_object(*containers))
    explained = explanation_of(
        Sources(of, parsed(of.spec), (head(of), pod), queue=Queue(None, ""), now=NOW, events=())
    )
    (pending,) = explanation_data(explained)["pendingPods"]
    assert pending == {
        "name": pod.name,
        "group": "gpu",
        "since": rfc3339(NOW - 200),
        "container": name,
        "reason": reason,
        "message": message,
    }
    said = " ".join(explanation_text(explained).split())
    whose = f"container {name}: " if name else ""
    assert f"3 min {whose}{reason}: {message}" in said
    seen = snapshot(of, [head(of), pod])
    ready = next(c for c in compute_status(seen, plan(seen), ())["conditions"] if c["type"] == "Ready")
    assert "ContainersNotReady" not in said + ready["message"]
    assert message in ready["message"]


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "tasks: 1 GPU waits: "), (2, "tasks: 2 GPUs wait: "), (0.5, "tasks: 0.5 GPU waits: ")],
)
def test_a_number_of_gpus_agrees_with_its_verb(count: float, said: str) -> None:
    of = scaled(group={"maxReplicas": 0})
    seen = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(Shape((("GPU", count),)), 1)))
    decided = plan(seen)
    (event,) = events_of((), (), {}, compute_status(seen, decided, ()), decided)
    assert event.note.startswith(said)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (DemandKind.TASKS, "Tasks of 1 GPU wait: full."),
        (DemandKind.GANG, "A gang of 1 x 1 GPU waits: full."),
        (DemandKind.CONSTRAINT, "request_resources for 1 GPU waits: full."),
    ],
)
def test_verbs_agree_with_their_subjects(kind: DemandKind, said: str) -> None:
    answer = DemandAnswer(kind, GPU_TASK, 1, (), (DemandHold(HoldKind.MAX, "full"),))
    assert summary_of((), [answer], known=True) == f"Desired: no worker groups. {said}"


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0 GPUs"), (0.5, "0.5 GPU"), (1.0, "1 GPU"), (1.5, "1.5 GPUs"), (8.0, "8 GPUs")]
)
def test_amounts_agree_with_their_nouns(value: float, said: str) -> None:
    assert words.amount("GPU", value) == said


@pytest.mark.parametrize(("there", "said"), [(1, "1 pod, 0 wanted"), (2, "2 pods, 0 wanted")])
def test_messages_about_surplus_pods_agree_with_their_number(there: int, said: str) -> None:
    of = cluster(spec(group(replicas=0)))
    decided = plan(snapshot(of, [head(of), *(worker(of, n + 1) for n in range(there))]))
    assert {delete.reason for delete in decided.deletes} == {said}


def test_messages_about_lost_nodes_agree_with_their_number() -> None:
    of = scaled()
    pods = [head(of), worker(of, 1), worker(of, 2)]
    state = view([node(pods[0])]).ray.state
    assert state is not None
    known = {pod.name.encode(): pod.name for pod in pods[1:]}
    assert node_trouble(state, pods, dict(list(known.items())[:1])) == "Ray does not list 1 node that it had"
    assert node_trouble(state, pods, known) == "Ray does not list 2 nodes that it had"


def test_messages_about_one_pod_are_singular() -> None:
    of = cluster(spec(group(replicas=0)))
    seen = snapshot(of, [head(of, ready=False, unready_reason="ContainersNotReady", unready_container="ray")])
    ready = next(c for c in compute_status(seen, plan(seen), ())["conditions"] if c["type"] == "Ready")
    assert ready["message"].startswith("0 of 1 pod is ready; ")


def created(**fields: Any) -> set[str]:
    """The events about pods that a cluster which follows its queue creates now."""
    of = fields.pop("of", scaled())
    seen = snapshot(of, [head(of)], **fields)
    decided = plan(seen)
    outcomes = [Succeeded(create) for create in creates(decided)]
    return {event.note for event in events_of(outcomes, (), {}, {}, decided) if event.action == "Create"}


def test_the_event_about_pods_for_work_says_so() -> None:
    seen = view([node(head(scaled()))], Demand(GPU_TASK, 2))
    assert created(scaling=seen) == {"Created 2 pods in group gpu: 2 more replicas, as work waits for them"}


def test_the_event_about_pods_for_a_size_names_its_field() -> None:
    known = view([node(head(scaled()))])
    least = scaled(group={"minReplicas": 1})
    assert created(of=least, scaling=known) == {
        "Created 1 pod in group gpu: 1 more replica, as minReplicas is 1"
    }
    resized = scaled(group={"replicas": 2})
    assert created(of=resized, scaling=known) == {
        "Created 2 pods in group gpu: 2 more replicas, as replicas is 2"
    }


def test_the_event_about_pods_before_rays_first_answer_has_a_reason() -> None:
    """It does not say that something is kept, which is neither the action nor its reason."""
    of = scaled(group={"replicas": 2})
    unknown = replace(view([], acted_on={}), ray=RayView(trouble="the head has not answered yet"))
    notes = created(of=of, scaling=unknown)
    assert notes == {"Created 2 pods in group gpu: 2 pods fewer than wanted"}
    asked = replace(unknown, acted_on={"gpu": Sizing(0, 0)})
    said = "Created 2 pods in group gpu: 2 more replicas, as replicas is 2"
    assert created(of=of, scaling=asked) == {said}


def test_the_event_about_a_replacement_says_that_a_pod_was_missing() -> None:
    of = scaled(group={"replicas": 1})
    there = view([node(head(of))], acted_on={"gpu": Sizing(1, 1)})
    assert created(of=of, scaling=there) == {"Created 1 pod in group gpu: 1 pod fewer than wanted"}


def test_a_change_of_a_groups_size_is_reported_with_its_reason() -> None:
    """No reason is given rather than an empty one."""
    of = scaled()
    before = {"workerGroups": [{"groupName": "gpu", "desired": 0}]}
    seen = snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 1)))
    decided = plan(seen)
    after = {"workerGroups": [{"groupName": "gpu", "desired": 1}]}
    (event,) = events_of((), (), before, after, decided)
    assert event.note == "Group gpu: 0 -> 1 pod: 1 more replica, as work waits for it"
    there = view([node(head(of)), node(worker(of, 1))], acted_on={"gpu": Sizing(1, 0)})
    later = plan(snapshot(of, [head(of), worker(of, 1)], scaling=there))
    (event,) = events_of((), (), before, after, later)
    assert event.note == "Group gpu: 0 -> 1 pod"


def test_names_of_a_head_cannot_control_a_terminal() -> None:
    """They are shown on one line, without control characters."""
    evil = "\x1b]0;owned\x07\x1b[2J\nGPU\u202e"
    of = cluster(spec(group(replicas=1), enableInTreeAutoscaling=True))
    explained = explanation_of(
        Sources(of, parsed(of.spec), (head(of),), queue=Queue(None, evil), now=NOW, events=())
    )
    assert all(line.isprintable() for line in explanation_text(explained).splitlines())


def test_the_plan_of_the_command_line_has_the_reason_of_each_create() -> None:
    of = scaled()
    decided = plan(snapshot(of, [head(of)], scaling=view([node(head(of))], Demand(GPU_TASK, 1))))
    made = [one for one in decided.actions if isinstance(one, CreatePod)]
    assert [one.reason for one in made] == ["1 more replica, as work waits for it"]
