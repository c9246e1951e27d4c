"""How the Ray container of a pod ended, from the pod's status."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from rayfleet.api.names import SUBMITTER
from rayfleet.kube.objects.timestamps import unix_seconds

JsonObject: TypeAlias = Mapping[str, Any]

OVER: Final = frozenset({"Failed", "Succeeded"})
"""Phases in which all of a pod's containers have ended, and none will be started again."""


class End(NamedTuple):
    """The end of a container, or of its whole pod."""

    reason: str = ""
    """The pod's if the kubelet ended the pod (`Evicted`), else the container's (`OOMKilled`, `Error`)."""
    exit_code: int | None = None
    """None if no container had started."""
    signal: int | None = None
    at: float = 0.0
    """Unix seconds, as reported by the kubelet; 0 if it does not say."""
    ran: float | None = None
    """Seconds that the container ran, as reported by the kubelet; None if it does not say."""
    for_good: bool = False
    """The container will not be started again in this pod."""
    of_pod: bool = False
    """The kubelet ended the whole pod, for `reason`."""


LONGEST_WORDS: Final = 512
"""Characters of what a container says about its own end."""


class SubmitterEnd(NamedTuple):
    """The end of the container that submits a RayJob next to a head."""

    exit_code: int
    at: float
    """Unix seconds; 0 if the kubelet does not say."""
    message: str
    """The last of its log, where it says why it failed."""


def submitter_end_of(status: JsonObject) -> SubmitterEnd | None:
    """How a pod's submitter ended; None while it runs, and if the pod has none."""
    for each in status.get("containerStatuses") or ():
        if each.get("name") == SUBMITTER:
            ended: JsonObject | None = (each.get("state") or {}).get("terminated")
            if not ended:
                return None
            words = str(ended.get("message") or "")[-LONGEST_WORDS:]
            return SubmitterEnd(int(ended.get("exitCode") or 0), unix_seconds(ended.get("finishedAt")), words)
    return None


def end_of(
    container: JsonObject, container_status: JsonObject, spec: JsonObject, status: JsonObject
) -> End | None:
    """The end of a container; None if it is running or has not started."""
    terminated: JsonObject | None = (container_status.get("state") or {}).get("terminated")
    over = status.get("phase") in OVER
    if not terminated and not over:
        return None
    of_pod, by = status.get("reason") or "", terminated or {}
    started, ended = unix_seconds(by.get("startedAt")), unix_seconds(by.get("finishedAt"))
    return End(
        reason=of_pod or by.get("reason") or "",
        exit_code=by.get("exitCode"),
        signal=by.get("signal"),
        at=ended,
        ran=max(ended - started, 0.0) if started and ended else None,
        for_good=over or not _is_restarted(spec, container, by),
        of_pod=bool(of_pod),
    )


def _is_restarted(spec: JsonObject, container: JsonObject, terminated: JsonObject) -> bool:
    """Whether the kubelet may start the container again; its own restart policy overrides the pod's."""
    if container.get("restartPolicyRules"):
        return True
    restarts = container.get("restartPolicy") or spec.get("restartPolicy") or "Always"
    return restarts == "Always" or (restarts == "OnFailure" and terminated.get("exitCode") != 0)
