"""Why a pod is not ready, by its status: which container, in which state, and what is said of it.

What moves by itself while nothing changes, such as the kubelet's back-off, is left out: each change of a
trimmed pod is news. Many pods are in the same state, which is one object in memory: so nothing is here that
is of one pod alone.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from rayfleet.kube.objects.timestamps import unix_seconds

JsonObject: TypeAlias = Mapping[str, Any]

CRASH_LOOP: Final = "CrashLoopBackOff"
LONGEST_MESSAGE: Final = 512
_SEVERAL: Final = 2
"""Restarts from which on a container that is started once more is in a loop, whatever its state is now."""
_OF_CONTAINERS: Final = frozenset({"ContainersNotReady", "", None})
"""Reasons of a pod's condition that leave it to the containers to say more."""


class Exit(NamedTuple):
    """How a container ended."""

    reason: str
    exit_code: int | None


class Readiness(NamedTuple):
    """Whether a pod is ready, and if not, why."""

    ready: bool = False
    reason: str = ""
    """Of the container's state, else of the pod's condition; empty when ready."""
    message: str = ""
    """Of the scheduler or the kubelet."""
    container: str = ""
    """The one that it waits for; empty where no container is the matter."""
    sandboxed: bool = False
    """Its volumes are mounted and its network is there: what is left is its images and its containers."""
    running: bool = False
    """The container that it waits for runs."""
    exit: Exit | None = None
    """The last of the container that it waits for, where that is the matter."""


READY: Final = Readiness(ready=True)


def readiness_of(status: JsonObject, conditions: Mapping[str, JsonObject]) -> tuple[Readiness, float]:
    """What a pod's status says, whose conditions are given by type, and since when.

    In Unix seconds; 0 where nobody says.
    """
    ready = conditions.get("Ready") or {}
    if ready.get("status") == "True":
        return READY, _since(ready)
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        reason = str(scheduled.get("reason") or "Unschedulable")
        return Readiness(False, reason, _message(scheduled)), _since(scheduled)
    sandbox = conditions.get("PodReadyToStartContainers") or {}
    sandboxed = sandbox.get("status") == "True"
    found = _waiting(status, sandboxed) if ready.get("reason") in _OF_CONTAINERS else None
    if found is None:
        said = (ready.get("reason") or "Unknown") if ready else status.get("reason")
        found = Readiness(False, str(said or ""), sandboxed=sandboxed)
    return found, _since(ready) or _since(scheduled)


def _waiting(status: JsonObject, sandboxed: bool) -> Readiness | None:  # noqa: FBT001 - a fact among others
    """Of the first container that is not ready and says so, in the order in which they are started."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            found = None if container.get("ready") else _state(container, first=kind != "containerStatuses")
            if found is not None:
                reason, message, runs, last = found
                return Readiness(
                    False, reason, message, str(container.get("name") or ""), sandboxed, runs, last
                )
    return None


def _state(container: JsonObject, *, first: bool) -> tuple[str, str, bool, Exit | None] | None:
    """Reason, message, whether it runs, and its exit; none of one that says nothing, or has done its work."""
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


def _message(of: JsonObject) -> str:
    return str(of.get("message") or "")[:LONGEST_MESSAGE]


def _since(condition: JsonObject) -> float:
    return unix_seconds(condition.get("lastTransitionTime"))
