"""Pods that have not joined: what keeps each from becoming a Ray node, and how long that counts as a start.

A fault, such as no room or a missing Secret, is reported at once. A pod that is merely starting is fine until
it is late: then it is blocked like any other.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rayfleet.api.raycluster import WorkerGroupSpec
from rayfleet.autoscaling import Blocked, BlockedReason
from rayfleet.autoscaling.words import several
from rayfleet.kinds.raycluster.pod_words import message_of, state_words
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kube.objects.pod_readiness import CRASH_LOOP
from rayfleet.kube.objects.pods import Pod

SHORTEST_JOIN: Final = 10.0
"""Seconds. Ray is polled every few seconds: a node that it does not list yet may have joined."""
_OUTSIDE: Final = {
    "Unschedulable": BlockedReason.UNSCHEDULABLE,
    "SchedulingGated": BlockedReason.SCHEDULING_GATED,
    "ImagePullBackOff": BlockedReason.IMAGE_PULL,
    "ErrImagePull": BlockedReason.IMAGE_PULL,
    "InvalidImageName": BlockedReason.IMAGE_PULL,
}
_CREATING: Final = frozenset({"ContainerCreating", "PodInitializing"})
_RUNS: Final = frozenset({"ContainersNotReady", "PodInitializing"})
_ENDED: Final = frozenset({CRASH_LOOP, "Error", "OOMKilled", "Completed", "ContainerCannotRun", "StartError"})
_MOST_VOLUMES: Final = 3
_LONGEST_VOLUME: Final = 120
"""Characters: a template may contain anything."""
_NAMES: Final = ("claimName", "secretName", "name", "driver", "server", "path")
_OF_ITSELF: Final = frozenset({"emptyDir", "downwardAPI", "name"})
"""Keys of a volume that needs nothing that could be missing."""


class Coming:
    """Judges the pods of one pass. Many are in the same state, whose message is built once."""

    def __init__(self, heard: float | None, now: float) -> None:
        """`heard`: since when the current head has been known, Unix seconds; None if it does not answer."""
        self._heard = heard
        self._now = now
        self._starts: dict[tuple[object, ...], Blocked] = {}

    def blocked(self, pod: Pod, group: WorkerGroupSpec) -> Blocked | None:
        """What keeps an active pod of `group` that is not a Ray node from becoming one."""
        since = pod.readiness_since
        if not pod.created <= since <= self._now:  # Not reported, or a node's clock is wrong.
            since = pod.created
        reason = pod.readiness.reason
        outside = _OUTSIDE.get(reason)
        if not pod.ready and outside is not None:
            return Blocked(outside, message_of(pod) or reason, since)
        # A worker cannot join before the head answers, so its time starts then.
        joining = since if self._heard is None else max(since, self._heard)
        if not pod.ready and pod.readiness.container and reason not in _CREATING | _RUNS:
            if reason in _ENDED:
                return Blocked(BlockedReason.CRASHING, state_words(pod), joining)
            return Blocked(BlockedReason.NOT_STARTED, state_words(pod), since)
        if self._heard is None:
            return None
        start = self._start(pod, group)
        return Blocked(start.reason, start.message, joining, True, start.at_least, start.at_most)

    def _start(self, pod: Pod, group: WorkerGroupSpec) -> Blocked:
        key = (pod.group, pod.phase, bool(pod.node_name), pod.readiness)
        if key not in self._starts:
            self._starts[key] = _start(pod, group)
        return self._starts[key]


def refusal(hold: Hold) -> Blocked:
    """The API server's refusal to create pods."""
    message = hold.words
    if "exceeded quota" in message:
        reason = BlockedReason.QUOTA_EXCEEDED
    elif "LimitRange" in message or "usage per" in message:
        reason = BlockedReason.LIMIT_RANGE
    else:
        reason = BlockedReason.ADMISSION_DENIED
    return Blocked(reason, message, hold.since)


def _start(pod: Pod, group: WorkerGroupSpec) -> Blocked:
    """For a pod without a fault that is only slow; the caller sets `since`."""
    joins_in = max(float(group.failure_policy.join_timeout_seconds), SHORTEST_JOIN)
    fallback = group.fallback
    # 0 s would be over before any pod can have started.
    at_least = joins_in if fallback is not None and fallback.after_seconds == 0 else 0.0
    if pod.ready or pod.phase == "Running":
        message = f"it runs, but has not joined Ray{'' if pod.ready else f' ({state_words(pod)})'}"
        return Blocked(BlockedReason.NOT_JOINED, message, 0.0, True, at_least, joins_in)
    if pod.readiness.sandboxed and not message_of(pod):  # A large image takes minutes.
        at_least = joins_in
    return Blocked(BlockedReason.NOT_STARTED, _start_words(pod, group), 0.0, True, at_least)


def _start_words(pod: Pod, group: WorkerGroupSpec) -> str:
    if not pod.node_name:
        return "no scheduler has reported on it: check that the scheduler in its schedulerName exists"
    state = state_words(pod)
    if message_of(pod) or pod.readiness.reason not in _CREATING:
        return state
    if pod.readiness.sandboxed:
        return f"{state}: its image is being pulled, or takes long to start"
    volumes = list(_volumes(group.template))
    needs = (
        f"its volumes need {several(volumes[:_MOST_VOLUMES], len(volumes))}"
        if volumes
        else "it has no volumes"
    )
    return f"{state}: its volumes or its network are missing; {needs}; its events say which"


def _volumes(template: Mapping[str, Any]) -> Iterator[str]:
    """The objects that a template's volumes need: `persistentVolumeClaim shared (volume data)`."""
    spec = template.get("spec")
    volumes = spec.get("volumes") if isinstance(spec, Mapping) else None
    for volume in volumes if isinstance(volumes, list) else ():
        if not isinstance(volume, Mapping):
            continue
        for kind, source in volume.items():
            if kind in _OF_ITSELF or not isinstance(source, Mapping):
                continue
            name = next((f" {name}" for key in _NAMES if isinstance(name := source.get(key), str)), "")
            yield f"{kind}{name} (volume {volume.get('name')})"[:_LONGEST_VOLUME]
