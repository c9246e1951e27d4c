"""Messages for users about what a pod is doing."""

from typing import Final

from rayfleet.kube.objects.pods import Pod

_PLAIN: Final = frozenset({"", "Error", "Completed"})
"""Reasons of an end that add nothing to its exit code."""


def state_words(pod: Pod) -> str:
    """What the pod is doing; if it is not ready, which container waits for what."""
    if pod.ended:
        return end_words(pod) or pod.phase
    if pod.deleting:
        return "Terminating"
    container = pod.readiness.container
    reason, message = waits_for(pod)
    if reason == "Running" and container:
        return f"container {container} is running; {message}"
    state = f"{reason} of container {container}" if container else reason
    return f"{state}: {message}" if message else state


def waits_for(pod: Pod) -> tuple[str, str]:
    """The state of the container, or of the pod, that it waits for, and the message about it.

    `ContainersNotReady` says no more than "not ready", so users see the state behind it.
    """
    reason, container = pod.readiness.reason or pod.phase, pod.readiness.container
    if reason != "ContainersNotReady":
        return reason, message_of(pod)
    if container:
        return "Running", "it is not ready yet: see its readiness probe"
    return pod.phase, "no container has been started yet"


def message_of(pod: Pod) -> str:
    """The scheduler's or kubelet's message about a pod that is not ready; empty if there is none."""
    readiness = pod.readiness
    if readiness.exit is not None:
        return _exit_words(*readiness.exit)
    return "it is running" if readiness.running else readiness.message


def end_words(pod: Pod) -> str:
    """Why it ended: `Evicted`, `exit code 1`, `OOMKilled, exit code 137`; empty if unknown."""
    end = pod.end
    if end is None:
        return ""
    return end.reason if end.of_pod else _exit_words(end.reason, end.exit_code)


def _exit_words(reason: str, exit_code: int | None) -> str:
    if exit_code is None:
        return reason
    code = f"exit code {exit_code}"
    return f"{reason}, {code}" if reason not in _PLAIN else code
