"""What schedulers and kubelets write into a pod's status, as plain objects."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Json, float], None]
"""Changes a pod at a time in Unix seconds."""


def timestamp(now: float) -> str:
    """The time as Kubernetes writes it."""
    return datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def state_of(pod: Json) -> str:
    """`pending`, `ready` or `ended`."""
    status = pod["status"]
    if any("terminated" in entry.get("state", {}) for entry in status.get("containerStatuses", ())):
        return "ended"
    if status.get("phase") in {"Failed", "Succeeded"}:
        return "ended"
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    return "ready" if ready else "pending"


def unscheduled(pod: Json, now: float) -> None:
    """There is no room for it."""
    words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    condition = _condition("PodScheduled", now, reason="Unschedulable", message=words)
    pod["status"] = {"phase": "Pending", "conditions": [condition]}


def gated(pod: Json, now: float) -> None:
    """A scheduling gate holds it."""
    condition = _condition("PodScheduled", now, reason="SchedulingGated", message="Scheduling is blocked")
    pod["status"] = {"phase": "Pending", "conditions": [condition]}


def scheduled(pod: Json, now: float) -> None:
    """It has a node, but neither volumes nor network."""
    pod["spec"]["nodeName"] = f"node-{len(pod['metadata']['name']) % 3}"
    _pending(pod, now, {"waiting": {"reason": "ContainerCreating"}})


def sandboxed(pod: Json, now: float) -> None:
    """Its images are pulled."""
    scheduled(pod, now)
    pod["status"]["conditions"].append(_condition("PodReadyToStartContainers", now, holds=True))


def without_image(pod: Json, now: float) -> None:
    """Its image cannot be pulled."""
    scheduled(pod, now)
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    _pending(pod, now, {"waiting": waiting})


def without_secret(pod: Json, now: float) -> None:
    """Its container cannot be created."""
    scheduled(pod, now)
    _pending(
        pod, now, {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "a" not found'}}
    )


def looping(pod: Json, now: float) -> None:
    """Its container ends each time it is started."""
    scheduled(pod, now)
    last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    _pending(pod, now, {"waiting": {"reason": "CrashLoopBackOff"}}, lastState=last, restartCount=5)


def running(pod: Json, now: float) -> None:
    """Its container runs but is not ready."""
    pod["spec"]["nodeName"] = f"node-{len(pod['metadata']['name']) % 3}"
    _runs(pod, now, ready=False)


def ready(pod: Json, now: float) -> None:
    """It runs and is ready."""
    pod["spec"].setdefault("nodeName", f"node-{len(pod['metadata']['name']) % 3}")
    _runs(pod, now, ready=True)


def crashed(pod: Json, now: float) -> None:
    """Its container has failed half a minute after its start."""
    _ended(pod, now, {"exitCode": 1, "reason": "Error"}, 30)


def failed_at_once(pod: Json, now: float) -> None:
    """Its container has failed as soon as it was started."""
    _ended(pod, now, {"exitCode": 2, "reason": "Error"}, 1)


def out_of_memory(pod: Json, now: float) -> None:
    """The kernel has killed it."""
    _ended(pod, now, {"exitCode": 137, "reason": "OOMKilled"}, 600)


def completed(pod: Json, now: float) -> None:
    """It has completed, and the kubelet does not say when it began."""
    _ended(pod, now, {"exitCode": 0, "reason": "Completed"}, None)
    pod["status"]["phase"] = "Succeeded"


def evicted(pod: Json, now: float) -> None:
    """The kubelet has evicted it."""
    message = "The node was low on resource: memory."
    pod["status"] = {"phase": "Failed", "reason": "Evicted", "message": message, "startTime": timestamp(now)}


STARTS: Final[tuple[Change, ...]] = (scheduled, sandboxed, running, ready)
"""A pod's path to readiness."""
TROUBLES: Final[tuple[Change, ...]] = (
    *(unscheduled, gated, without_image, without_secret, looping, running),
    *(crashed, failed_at_once, failed_at_once, out_of_memory, completed, evicted),
)


def _pending(pod: Json, now: float, state: Mapping[str, Any], **fields: object) -> None:
    pod["status"] = {
        "phase": "Pending",
        "conditions": [
            _condition("PodScheduled", now, holds=True),
            _condition("Ready", now, reason="ContainersNotReady"),
        ],
        "containerStatuses": _containers(pod, state, ready=False, **fields),
    }


def _runs(pod: Json, now: float, *, ready: bool) -> None:
    state = {"running": {"startedAt": timestamp(now)}}
    reason = "" if ready else "ContainersNotReady"
    pod["status"] = {
        "phase": "Running",
        "podIP": f"10.0.0.{1 + len(pod['metadata']['name']) % 250}",
        "conditions": [
            _condition("PodScheduled", now, holds=True),
            _condition("Ready", now, holds=ready, reason=reason),
        ],
        "containerStatuses": _containers(pod, state, ready=ready),
    }


def _ended(pod: Json, now: float, state: Mapping[str, Any], ran: float | None) -> None:
    times = {} if ran is None else {"startedAt": timestamp(now - ran), "finishedAt": timestamp(now)}
    pod["status"] = {
        "phase": "Running" if ran is not None else "Failed",
        "conditions": [_condition("Ready", now, reason="PodFailed")],
        "containerStatuses": _containers(pod, {"terminated": {**state, **times}}, ready=False),
    }


def _containers(pod: Json, state: Mapping[str, Any], *, ready: bool, **fields: object) -> list[Json]:
    """The status of every container; the template may hold anything."""
    listed = pod["spec"].get("containers")
    names = [c.get("name") for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []
    return [{"name": name, "ready": ready, "restartCount": 0, "state": state, **fields} for name in names]


def _condition(kind: str, now: float, *, holds: bool = False, reason: str = "", message: str = "") -> Json:
    said = {"reason": reason, "message": message} if reason else {}
    status = "True" if holds else "False"
    return {"type": kind, "status": status, "lastTransitionTime": timestamp(now), **said}
