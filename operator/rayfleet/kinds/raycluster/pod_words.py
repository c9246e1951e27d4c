"""What a pod is doing, as users are told it."""

from typing import Final

from rayfleet.kube.objects.pods import Pod

_PLAIN: Final = frozenset({"", "Error", "Completed"})
"""Reasons of an end that say no more than its exit code."""


def state_words(pod: Pod) -> str:
    """What it is doing, in a few words: of one that is not ready, which container waits for what."""
    if pod.ended:
        return end_words(pod) or pod.phase
    if pod.deleting:
        return "Terminating"
    container = pod.readiness.container
    reason, said = waits_for(pod)
    if reason == "Running" and container:
        return f"container {container} is running; {said}"
    of = f" of container {container}" if container else ""
    return f"{reason}{of}: {said}" if said else f"{reason}{of}"


def waits_for(pod: Pod) -> tuple[str, str]:
    """The state of the container, or of the pod, that it waits for, and what is said of it.

    `ContainersNotReady` says no more than "not ready", so users are told what lies behind it.
    """
    reason, container = pod.readiness.reason or pod.phase, pod.readiness.container
    if reason != "ContainersNotReady":
        return reason, said_of(pod)
    if container:
        return "Running", "it is not ready yet: see its readiness probe"
    return pod.phase, "no container has been started yet"


def said_of(pod: Pod) -> str:
    """What the scheduler or the kubelet says of a pod that does not come; empty where it says nothing."""
    readiness = pod.readiness
    if readiness.exit is not None:
        return _exit_words(*readiness.exit)
    return "it is running" if readiness.running else readiness.message


def end_words(pod: Pod) -> str:
    """Why it ended: `Evicted`, `exit code 1`, `OOMKilled, exit code 137`; empty where nobody says."""
    end = pod.end
    if end is None:
        return ""
    return end.reason if end.of_pod else _exit_words(end.reason, end.exit_code)


def _exit_words(reason: str, exit_code: int | None) -> str:
    if exit_code is None:
        return reason
    code = f"exit code {exit_code}"
    return f"{reason}, {code}" if reason not in _PLAIN else code
