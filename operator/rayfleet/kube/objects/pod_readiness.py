"""Why a pod is not ready, from its status: which container, in which state, and the message about it.

What changes on its own, such as the kubelet's back-off, is left out, as each change of a trimmed pod wakes
its owner. Many pods in the same state share one object in memory, so nothing here is particular to one pod.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from rayfleet.kube.objects.timestamps import unix_seconds

JsonObject: TypeAlias = Mapping[str, Any]

CRASH_LOOP: Final = "CrashLoopBackOff"
LONGEST_MESSAGE: Final = 512
_SEVERAL: Final = 2
"""From this many restarts on, a container is in a crash loop, whatever its state is now."""
_OF_CONTAINERS: Final = frozenset({"ContainersNotReady", "", None})
"""Reasons of a pod's Ready condition for which the containers' states say more."""


class Exit(NamedTuple):
    """How a container ended."""

    reason: str
    exit_code: int | None


class Readiness(NamedTuple):
    """Whether a pod is ready, and if not, why."""

    ready: bool = False
    reason: str = ""
    """The reason of the container's state, else of the pod's condition; empty if ready."""
    message: str = ""
    """The message of the scheduler or the kubelet."""
    container: str = ""
    """The container that is not ready; empty if the trouble is not with a container."""
    sandboxed: bool = False
    """Its volumes are mounted and its network is up; only images and containers are missing."""
    running: bool = False
    """The container that is not ready is running."""
    exit: Exit | None = None
    """The last exit of the container that is not ready, if that is the reason."""


READY: Final = Readiness(ready=True)


def readiness_of(status: JsonObject, conditions: Mapping[str, JsonObject]) -> tuple[Readiness, float]:
    """The readiness of a pod, and since when, in Unix seconds (0 if unknown). `conditions` are by type."""
    ready = conditions.get("Ready") or {}
    if ready.get("status") == "True":
        return READY, _since(ready)
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        reason = str(scheduled.get("reason") or "Unschedulable")
        return Readiness(False, reason, _message(scheduled)), _since(scheduled)
    sandbox = conditions.get("PodReadyToStartContainers") or {}
    sandboxed = sandbox.get("status") == "True"
    readiness = _waiting(status, sandboxed) if ready.get("reason") in _OF_CONTAINERS else None
    if readiness is None:
        given = (ready.get("reason") or "Unknown") if ready else status.get("reason")
        readiness = Readiness(False, str(given or ""), sandboxed=sandboxed)
    return readiness, _since(ready) or _since(scheduled)


def _waiting(status: JsonObject, sandboxed: bool) -> Readiness | None:  # noqa: FBT001 - a fact among others
    """The readiness by the first container that reports why it is not ready, in order of start."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            state = None if container.get("ready") else _state(container, first=kind != "containerStatuses")
            if state is not None:
                reason, message, runs, last = state
                return Readiness(
                    False, reason, message, str(container.get("name") or ""), sandboxed, runs, last
                )
    return None


def _state(container: JsonObject, *, first: bool) -> tuple[str, str, bool, Exit | None] | None:
    """Reason, message, whether it runs, and its exit; None if it reports nothing or has done its work."""
    state = container.get("state") or {}
    waiting, terminated, running = state.get("waiting"), state.get("terminated"), state.get("running")
    last = terminated or (container.get("lastState") or {}).get("terminated")
    loops = int(container.get("restartCount") or 0) >= _SEVERAL
    if last and ((waiting or {}).get("reason") == CRASH_LOOP or (loops and waiting is None)):
        return CRASH_LOOP, "", False, _exit(last)
    if waiting:
        reason = str(waiting.get("reason") or "")
        return (reason, "" if reason == CRASH_LOOP else _message(waiting), False, None) if reason else None
    if terminated:
        if first and terminated.get("exitCode") == 0:
            return None
        reason = str(terminated.get("reason") or "")
        return (reason, "", False, _exit(terminated)) if reason else None
    if running is not None:
        return "PodInitializing" if first else "ContainersNotReady", "", True, None
    return None


def _exit(terminated: JsonObject) -> Exit:
    return Exit(terminated.get("reason") or "", terminated.get("exitCode"))


def _message(state: JsonObject) -> str:
    return str(state.get("message") or "")[:LONGEST_MESSAGE]


def _since(condition: JsonObject) -> float:
    return unix_seconds(condition.get("lastTransitionTime"))
