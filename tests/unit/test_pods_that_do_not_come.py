"""Pods that never become Ray nodes: in time their work goes elsewhere, with a reason."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycluster.plan import DeletePod, Plan, plan
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kube.objects.pods import Host, Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import Demand, NodeStatus
from support.builders import NOW, changed, cluster, group, head, snapshot, spec, template, worker
from support.queued_clusters import GPU_TASK, creates, node, view

NO_SUCH = 'secret "not-there" not found'
PATIENCE = 3.0
LONG_AGO = NOW - 7200


def elastic(after: int | None = 3, **fast: Any) -> Root:
    """A group of GPU workers, and its fallback."""
    fallback: dict[str, Any] = (
        {} if after is None else {"fallback": {"groups": ["cheap"], "afterSeconds": after}}
    )
    start: dict[str, Any] = {"replicas": 0, "maxReplicas": 5, "template": template(gpu="1")}
    groups = [group("fast", **start | fallback | fast), group("cheap", **start)]
    return cluster(spec(*groups, enableInTreeAutoscaling=True))


def stuck(of: Root, since: float, reason: str, container: str = "ray", words: str = "", **fields: Any) -> Pod:
    """A pod of the group `fast` that is bound, and has not been ready since then."""
    state = {"phase": "Pending", "ready": False, "unready_reason": reason, "unready_container": container}
    changes = state | {"unready_words": words, "created": since, "readiness_since": since} | fields
    return worker(of, 1, group_name="fast", **changes)


def decided(of: Root, pod: Pod, *, tasks: int = 1, heard: float = LONG_AGO, **changes: Any) -> Plan:
    """The plan while so many tasks wait; `heard`: since when the head exists."""
    ray = view([node(head(of))], *([Demand(GPU_TASK, tasks)] if tasks else [])).ray
    ray = replace(ray, session_since=heard, **changes)
    around = {"ray": ray, "acted_on": {"fast": Sizing(1, 0), "cheap": Sizing(0, 0)}}
    return plan(snapshot(of, [head(of), pod], scaling=view([], **around)))


def made(of: Plan) -> list[str]:
    return [create.group for create in creates(of)]


def summary(of: Plan) -> str:
    assert of.decision is not None
    return of.decision.summary


STATES: dict[str, tuple[dict[str, Any], str]] = {
    "a volume is missing": (
        {"reason": "ContainerCreating"},
        "NotStarted: ContainerCreating of container ray",
    ),
    "the wait goes on": (
        {"reason": "PodInitializing", "container": "wait-gcs-ready", "words": "it is running"},
        "NotStarted: PodInitializing of container wait-gcs-ready: it is running",
    ),
    "the wait was killed": (
        {"reason": "OOMKilled", "container": "wait-gcs-ready", "words": "OOMKilled, exit code 137"},
        "Crashing: OOMKilled of container wait-gcs-ready: OOMKilled, exit code 137",
    ),
    "the wait crashes": (
        {"reason": "CrashLoopBackOff", "container": "wait-gcs-ready", "words": "exit code 1"},
        "Crashing: CrashLoopBackOff of container wait-gcs-ready: exit code 1",
    ),
    "a Secret is missing": (
        {"reason": "CreateContainerConfigError", "words": NO_SUCH},
        f"NotStarted: CreateContainerConfigError of container ray: {NO_SUCH}",
    ),
    "Ray crashes": (
        {"reason": "CrashLoopBackOff", "words": "exit code 1"},
        "Crashing: CrashLoopBackOff of container ray: exit code 1",
    ),
    "it is not ready": (
        {"reason": "ContainersNotReady", "words": "it is running", "phase": "Running"},
        "NotJoined: it runs, but has not joined Ray (container ray is running; it is not ready yet: ",
    ),
    "it is ready": (
        {"reason": "", "container": "", "phase": "Running", "ready": True},
        "NotJoined: it runs, but has not joined Ray",
    ),
    "no scheduler": (
        {"reason": "", "container": "", "node_name": ""},
        "NotStarted: no scheduler has reported",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_work_goes_to_the_fallback_if_pods_do_not_come_for_any_reason(name: str) -> None:
    """It goes after `afterSeconds`, as without room for them, and with a reason."""
    of, (state, words) = elastic(), STATES[name]
    early = decided(of, stuck(of, NOW - PATIENCE + 1, **state))
    assert made(early) == []
    assert early.requeue_after == pytest.approx(1.0)
    late = decided(of, stuck(of, NOW - PATIENCE, **state))
    assert made(late) == ["cheap"]
    assert f"Desired: cheap 1, fast 1. Pods are blocked: fast: {words}" in summary(late)
    assert made(decided(of, stuck(of, LONG_AGO, **state))) == ["cheap"]


@pytest.mark.parametrize("name", STATES)
def test_without_a_fallback_a_pod_counts_as_long_as_one_without_room(name: str) -> None:
    """The operator's settings say 900 s; a running pod has `joinTimeoutSeconds` to join."""
    of, (state, _) = elastic(after=None, failurePolicy={"joinTimeoutSeconds": 200}), STATES[name]
    limit = 200.0 if state.get("phase") == "Running" else 900.0
    assert made(decided(of, stuck(of, NOW - limit + 1, **state))) == []
    assert made(decided(of, stuck(of, NOW - limit, **state))) == ["cheap"]


def test_a_pod_that_is_starting_is_not_reported() -> None:
    """A fallback without a delay is for faults: otherwise each start would be duplicated."""
    of = elastic(after=0)
    assert made(decided(of, stuck(of, NOW - 299, "ContainerCreating"))) == []
    assert made(decided(of, stuck(of, NOW - 300, "ContainerCreating"))) == ["cheap"]
    assert made(decided(of, stuck(of, NOW - 1, "CreateContainerConfigError", words=NO_SUCH))) == ["cheap"]


def test_an_image_that_is_being_pulled_may_take_minutes() -> None:
    """Its pod has its volumes and its network; a failed pull shows by itself."""
    of = elastic()
    assert made(decided(of, stuck(of, NOW - 299, "ContainerCreating", sandboxed=True))) == []
    assert made(decided(of, stuck(of, NOW - 300, "ContainerCreating", sandboxed=True))) == ["cheap"]


def test_a_worker_is_not_late_for_a_head_that_is_late_itself() -> None:
    """Its time to join begins with the head's."""
    of = elastic()
    for state in ("the wait goes on", "it is ready", "the wait crashes"):
        pod = stuck(of, LONG_AGO, **STATES[state][0])
        assert made(decided(of, pod, heard=NOW - 2)) == [], state
        assert made(decided(of, pod, heard=NOW - PATIENCE)) == ["cheap"], state


def test_joining_is_not_reported_while_the_head_does_not_answer() -> None:
    of = elastic()
    unheard = decided(of, stuck(of, LONG_AGO, **STATES["it is ready"][0]), trouble="no answer")
    assert unheard.decision is not None
    assert unheard.decision.group("fast").blocked == ""


def test_a_start_has_no_message_until_it_is_late() -> None:
    """Otherwise each new pod would be a write of the status."""
    of = elastic()
    early = decided(of, stuck(of, NOW - 1, "ContainerCreating"))
    assert early.decision is not None
    assert early.decision.group("fast").blocked == ""
    assert summary(early) == "Desired: cheap 0, fast 1."


def test_a_start_that_hangs_names_the_volumes_it_may_wait_for() -> None:
    """The kubelet names the missing one only in events."""
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "shared"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "keys", "secret": {"secretName": "creds"}},
    ]
    of = elastic(after=None, template={"spec": {**template(gpu="1")["spec"], "volumes": volumes}})
    late = decided(of, stuck(of, LONG_AGO, "ContainerCreating"))
    assert late.decision is not None
    said = late.decision.group("fast").blocked
    assert "persistentVolumeClaim shared (volume data) and secret creds (volume keys)" in said
    assert "tmp" not in said


def test_a_wrong_clock_of_a_node_makes_no_pod_late() -> None:
    """The pod's creation has the API server's time; the kubelet's times are the node's."""
    of = elastic()
    for wrong in (LONG_AGO, NOW + 7200):
        young = stuck(of, NOW - 1, "ContainerCreating", readiness_since=wrong)
        assert made(decided(of, young)) == []
        old = stuck(of, NOW - PATIENCE, "ContainerCreating", readiness_since=wrong)
        assert made(decided(of, old)) == ["cheap"]


def test_a_pod_that_hangs_and_is_not_needed_is_deleted_but_not_one_that_starts() -> None:
    of = elastic()
    for since, gone in ((NOW - 1, False), (LONG_AGO, True)):
        pod = stuck(of, since, "ContainerCreating")
        memory = decided(of, pod, tasks=0).decision
        assert memory is not None
        ray = replace(view([node(head(of))]).ray, session_since=LONG_AGO)
        around = {"ray": ray, "acted_on": {"fast": Sizing(1, 0), "cheap": Sizing(0, 0)}}
        later = snapshot(of, [head(of), pod], now=NOW + (61 if gone else 1), scaling=view([], **around))
        deletes = [action for action in plan(later, memory.memory).actions if isinstance(action, DeletePod)]
        assert bool(deletes) is gone


def test_a_replica_with_a_working_host_is_kept_though_another_host_does_not_come() -> None:
    """The group is multi-host: what runs there would be lost."""
    hosts = group("fast", replicas=0, maxReplicas=2, numOfHosts=2, template=template(gpu="1"))
    of = cluster(spec(hosts, enableInTreeAutoscaling=True, autoscalerOptions={"idleTimeoutSeconds": 1}))
    pods = [worker(of, n + 1, group_name="fast", host=Host("r", 0, n)) for n in range(2)]
    pods[1] = changed(pods[1], ready=False, phase="Pending", unready_reason="Unschedulable", created=LONG_AGO)
    for status, kept in ((NodeStatus.RUNNING, True), (NodeStatus.IDLE, False)):
        nodes = [node(head(of)), node(pods[0], status, idle=7200 if status is NodeStatus.IDLE else 0)]
        around = {"acted_on": {"fast": Sizing(1, 0)}}
        seen = snapshot(of, [head(of), *pods], scaling=view(nodes, **around), headless=True)
        first = plan(seen).decision
        assert first is not None
        later = plan(replace(seen, now=NOW + 2), first.memory)
        assert bool(later.deletes) is not kept


def test_the_status_of_a_cluster_of_fixed_size_names_a_missing_secret() -> None:
    """Nobody polls its Ray, but the kubelet's message is in the pod."""
    of = cluster(spec(group(replicas=1)))
    pod = worker(
        of,
        1,
        ready=False,
        phase="Pending",
        unready_reason="CreateContainerConfigError",
        unready_container="ray",
        unready_words=NO_SUCH,
    )
    seen = snapshot(of, [head(of), pod])
    ready = next(c for c in compute_status(seen, plan(seen), ())["conditions"] if c["type"] == "Ready")
    assert f"gpu: CreateContainerConfigError of container ray: {NO_SUCH}" in ready["message"]


def test_only_unsupported_parts_of_the_failure_policy_are_named() -> None:
    """Defaults are stored with the object: a default value need not be the user's."""
    given = {"joinTimeoutSeconds": 60, "initialBackoffSeconds": 1, "maxBackoffSeconds": 10}
    of = elastic(failurePolicy=given)
    seen = snapshot(of, [head(of)])
    conditions = compute_status(seen, plan(seen), ())["conditions"]
    supported = next(c for c in conditions if c["type"] == "Supported")
    assert "failurePolicy.maxBackoffSeconds" in supported["message"]
    assert "join" not in supported["message"]
    assert "initial" not in supported["message"]
