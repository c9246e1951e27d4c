"""Why a pod is not ready, by its status: which container, its state, since when, in whose words; and its end.

What moves by itself while nothing changes, such as the kubelet's back-off, is left out: each change of a
trimmed pod is news.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from rayfleet.kube.objects.timestamps import unix_seconds

JsonObject: TypeAlias = Mapping[str, Any]

CRASH_LOOP: Final = "CrashLoopBackOff"
RUNNING: Final = "Running"
LONGEST_WORDS: Final = 512
_SEVERAL: Final = 2
"""Restarts from which on a container that is started once more is in a loop, whatever its state is now."""
_OF_CONTAINERS: Final = frozenset({"ContainersNotReady", "", None})
"""Reasons of a pod's condition that leave it to the containers to say more."""
_PLAIN: Final = frozenset({"", "Error", "Completed"})


class Readiness(NamedTuple):
    """Whether a pod is ready, and if not, why."""

    ready: bool = False
    reason: str = ""
    """Of the container's state, else of the pod's condition; empty when ready."""
    words: str = ""
    """Of the scheduler or the kubelet."""
    container: str = ""
    """The one that it waits for; empty where no container is the matter."""
    since: float = 0.0
    """Since when it is ready, or is not; Unix seconds, 0 where nobody says."""
    sandboxed: bool = False
    """Its volumes are mounted and its network is there: what is left is its images and its containers."""


def readiness_of(status: JsonObject) -> Readiness:
    """What a pod's status says."""
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    ready, scheduled = conditions.get("Ready") or {}, conditions.get("PodScheduled") or {}
    if ready.get("status") == "True":
        return Readiness(ready=True, since=_since(ready))
    if scheduled.get("status") == "False":
        reason = str(scheduled.get("reason") or "Unschedulable")
        return Readiness(False, reason, _words(scheduled), since=_since(scheduled))
    found = next(_waiting(status), None) if ready.get("reason") in _OF_CONTAINERS else None
    if found is None:
        said = (ready.get("reason") or "Unknown") if ready else status.get("reason")
        found = Readiness(False, str(said or ""))
    sandbox = conditions.get("PodReadyToStartContainers") or {}
    return found._replace(since=_since(ready) or _since(scheduled), sandboxed=sandbox.get("status") == "True")


def _waiting(status: JsonObject) -> Iterator[Readiness]:
    """Of each container that is not ready, in the order in which they are started."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            found = None if container.get("ready") else _state(container, first=kind != "containerStatuses")
            if found is not None:
                reason, words = found
                yield Readiness(False, reason, words, str(container.get("name") or ""))


def _state(container: JsonObject, *, first: bool) -> tuple[str, str] | None:
    """Reason and words; none of a container that says nothing, or that has done its work."""
    state = container.get("state") or {}
    waiting, terminated, running = state.get("waiting"), state.get("terminated"), state.get("running")
    last = terminated or (container.get("lastState") or {}).get("terminated")
    loops = int(container.get("restartCount") or 0) >= _SEVERAL
    if last and ((waiting or {}).get("reason") == CRASH_LOOP or (loops and waiting is None)):
        return CRASH_LOOP, end_words(last)
    if waiting:
        reason = str(waiting.get("reason") or "")
        return (reason, "" if reason == CRASH_LOOP else _words(waiting)) if reason else None
    if terminated:
        if first and terminated.get("exitCode") == 0:
            return None
        reason = str(terminated.get("reason") or "")
        return (reason, end_words(terminated)) if reason else None
    if running is not None:
        return ("PodInitializing", "it is running") if first else ("ContainersNotReady", "it is running")
    return None


def end_words(terminated: JsonObject) -> str:
    """How a container ended: `OOMKilled, exit code 137`."""
    reason = terminated.get("reason") or ""
    code = f"exit code {terminated.get('exitCode')}"
    return f"{reason}, {code}" if reason not in _PLAIN else code


def _words(of: JsonObject) -> str:
    return str(of.get("message") or "")[:LONGEST_WORDS]


def _since(condition: JsonObject) -> float:
    return unix_seconds(condition.get("lastTransitionTime"))


def told(reason: str, words: str, *, container: str, phase: str) -> tuple[str, str]:
    """Reason and words as users are told them: `ContainersNotReady` says no more than "not ready"."""
    if reason != "ContainersNotReady":
        return reason, words
    if container:
        return RUNNING, "it is not ready yet: see its readiness probe"
    return phase, "no container has been started yet"


class End(NamedTuple):
    """What has become of a container."""

    for_good: bool = False
    """It has ended, and will not be started again."""
    words: str = ""
    ran: float | None = None
    """Seconds, by the kubelet; none where it does not say."""


def end_of(container: JsonObject, spec: JsonObject, status: JsonObject) -> End:
    """Whether a container of a pod's spec has ended, how, and after how long."""
    for one in status.get("containerStatuses") or ():
        terminated = (one.get("state") or {}).get("terminated")
        if one.get("name") == container.get("name") and terminated:
            started, ended = (unix_seconds(terminated.get(name)) for name in ("startedAt", "finishedAt"))
            ran = max(ended - started, 0.0) if started and ended else None
            return End(not _is_restarted(spec, container, terminated), end_words(terminated), ran)
    return End()


def _is_restarted(spec: JsonObject, container: JsonObject, terminated: JsonObject) -> bool:
    """Whether the kubelet may start the container again: its own policy goes before the pod's."""
    if container.get("restartPolicyRules"):
        return True
    restarts = container.get("restartPolicy") or spec.get("restartPolicy") or "Always"
    return restarts == "Always" or (restarts == "OnFailure" and terminated.get("exitCode") != 0)
