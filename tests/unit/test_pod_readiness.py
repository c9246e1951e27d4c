"""Why a pod is not ready: the container, its state, since when, and the kubelet's message."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.pod_words import message_of
from rayfleet.kube.objects.pod_readiness import READY, Readiness
from rayfleet.kube.objects.pods import Pod, pod_from_object

BOUND = "2026-11-30T12:00:00Z"
UNREADY = "2026-11-30T12:00:01Z"
SINCE = 1796040001.0
LACKING = 'secret "not-there" not found'
BACK_OFF = "back-off 40s restarting failed container=ray pod=demo-gpu-worker-1_ml(uid)"


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    """A container's state."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """A container's state."""
    return {"waiting": {"reason": reason, "message": message}}


def container(name: str, state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A container's status."""
    return {"name": name, "ready": False, "restartCount": 0, "state": state, **fields}


def status(
    *containers: dict[str, Any], inits: tuple[dict[str, Any], ...] = (), **more: str
) -> dict[str, Any]:
    """The status of a bound pod that is not ready."""
    unready = {
        "type": "Ready",
        "status": "False",
        "reason": "ContainersNotReady",
        "lastTransitionTime": UNREADY,
    }
    bound = {"type": "PodScheduled", "status": "True", "lastTransitionTime": BOUND}
    others = [{"type": name, "status": value} for name, value in more.items()]
    return {
        "phase": "Pending",
        "conditions": [*others, unready, bound],
        "initContainerStatuses": list(inits),
        "containerStatuses": list(containers),
    }


def read(status: dict[str, Any]) -> Pod:
    """A pod with this status."""
    metadata = {"name": "p", "namespace": "ml", "uid": "u", "resourceVersion": "1"}
    return pod_from_object({"metadata": metadata, "spec": {}, "status": status})


def unreadiness(status: dict[str, Any]) -> tuple[str, str, str]:
    """Why a pod is not ready: the reason, the message, and the container."""
    pod = read(status)
    assert not pod.ready
    return pod.readiness.reason, message_of(pod), pod.readiness.container


RUNNING = {"running": {"startedAt": UNREADY}}
WAIT = container("wait-gcs-ready", RUNNING, started=True)
DONE = container("wait-gcs-ready", ended(0, "Completed"), ready=True)
LATER = container("ray", waiting("PodInitializing"))
LAST = {"lastState": ended(137, "OOMKilled")}

TABLE = {
    "no volume": (status(container("ray", waiting("ContainerCreating"))), "ray", "ContainerCreating", ""),
    "no Secret": (
        status(container("ray", waiting("CreateContainerConfigError", LACKING))),
        "ray",
        "CreateContainerConfigError",
        LACKING,
    ),
    "the head is not there": (
        status(LATER, inits=(WAIT,)),
        "wait-gcs-ready",
        "PodInitializing",
        "it is running",
    ),
    "started after its wait": (status(LATER, inits=(DONE,)), "ray", "PodInitializing", ""),
    "the wait was killed": (
        status(LATER, inits=(container("wait-gcs-ready", ended(137, "OOMKilled")),)),
        "wait-gcs-ready",
        "OOMKilled",
        "OOMKilled, exit code 137",
    ),
    "a second container": (
        status(
            container("ray", RUNNING, ready=True),
            container("proxy", waiting("ErrImagePull", "no such image")),
        ),
        "proxy",
        "ErrImagePull",
        "no such image",
    ),
    "not ready yet": (status(container("ray", RUNNING)), "ray", "ContainersNotReady", "it is running"),
    "one restart is no loop": (
        status(container("ray", RUNNING, restartCount=1, **LAST)),
        "ray",
        "ContainersNotReady",
        "it is running",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_pod_that_is_not_ready_names_the_container_and_its_reason(name: str) -> None:
    of, at, reason, words = TABLE[name]
    assert unreadiness(of) == (reason, words, at)
    assert read(of).readiness_since == SINCE


@pytest.mark.parametrize("state", [waiting("CrashLoopBackOff", BACK_OFF), RUNNING, ended(137, "OOMKilled")])
@pytest.mark.parametrize("inits", [True, False])
def test_a_crash_loop_has_the_same_message_in_each_turn(state: dict[str, Any], inits: bool) -> None:  # noqa: FBT001 - a table's column
    """Otherwise each turn, and each longer back-off, would be a write of the status."""
    loops = container("loops", state, restartCount=3, **LAST)
    of = status(LATER, inits=(loops,)) if inits else status(loops)
    assert unreadiness(of) == ("CrashLoopBackOff", "OOMKilled, exit code 137", "loops")


def test_a_pod_with_volumes_and_network_waits_only_for_its_images() -> None:
    """A large image takes minutes without being a fault."""
    of = [status(LATER, PodReadyToStartContainers=value) for value in ("False", "True")]
    assert [read(one).readiness.sandboxed for one in of] == [False, True]


def test_an_unscheduled_pod_has_the_schedulers_message() -> None:
    full = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": full}
    of = {"phase": "Pending", "conditions": [condition | {"lastTransitionTime": UNREADY}]}
    assert read(of).readiness == Readiness(False, "Unschedulable", full)
    assert read(of).readiness_since == SINCE


def test_statuses_with_missing_parts_are_read() -> None:
    """Statuses may lack conditions, states may lack reasons, and messages may be very long."""
    assert read({}).readiness == Readiness()
    assert read({"containerStatuses": [container("ray", {"waiting": {}})]}).readiness == Readiness()
    assert unreadiness({"containerStatuses": [LATER]}) == ("PodInitializing", "", "ray")
    long = read({"containerStatuses": [container("ray", waiting("ErrImagePull", "x" * 10_000))]})
    assert len(long.readiness.message) == 512
    assert read({"reason": "Evicted", "phase": "Failed"}).readiness.reason == "Evicted"
    unready = {
        "type": "Ready",
        "status": "False",
        "reason": "ReadinessGatesNotReady",
        "lastTransitionTime": UNREADY,
    }
    assert unreadiness({"conditions": [unready]}) == ("ReadinessGatesNotReady", "", "")
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": UNREADY}
    pod = read({"conditions": [ready]})
    assert (pod.readiness, pod.readiness_since) == (READY, SINCE)
