"""The status of a job after a pass."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rayfleet.api.rayjob import kept_rules
from rayfleet.api.rayjob.status import RayJobStatus, Submission, recorded
from rayfleet.engine.conditions import merged, rfc3339
from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.kinds.rayjob.actions import SubmitJob
from rayfleet.kinds.rayjob.plan import JobPlan
from rayfleet.kinds.rayjob.progress import step
from rayfleet.kinds.rayjob.snapshot import JobSnapshot
from rayfleet.kinds.rayjob.status.conditions import OURS, conditions
from rayfleet.kube.objects.keys import JsonObject

_WITH_OTHERS: Final = ("gpuSeconds", "gpuSecondsTime")
"""Fields that are written together with any other change."""
_LATER: Final = (*_WITH_OTHERS, "rayClusterStatus", "message")
"""Fields whose change alone may wait for others to join it in one write."""
_HEARD: Final = (
    *(*_WITH_OTHERS, "jobStatus", "message", "rayJobInfo"),
    *("jobStatusCheckFailureStartTime", "conditions"),
)
"""Fields that a head's answers change."""


def compute_status(seen: JobSnapshot, _plan: JobPlan | None, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The status to store."""
    if seen.other_operator is not None or seen.job.deleting:
        return dict(seen.job.status)
    after = _submitted(seen, step(seen), outcomes)
    after |= RayJobStatus(
        observed_generation=seen.job.generation,
        conditions=merged(after.conditions, conditions(seen, after), OURS, seen.job.generation, seen.now),
    )
    if after.ray_cluster_name and seen.is_whole and (rules := kept_rules(seen.spec)):
        after |= RayJobStatus(kept_rules=rules)
    elif seen.is_whole:
        after = after.without("kept_rules")
    return dict(_measured(seen, after).wire)


def _measured(seen: JobSnapshot, after: RayJobStatus) -> RayJobStatus:
    """With the GPU time until now, if anything else is written: on its own it changes all the time."""
    used = seen.gpu_seconds
    if not used or dict(after.wire) == dict(seen.job.status):
        return after
    return after | RayJobStatus(gpu_seconds=round(used, 1), gpu_seconds_time=rfc3339(seen.now))


def _submitted(seen: JobSnapshot, after: RayJobStatus, outcomes: Sequence[Outcome]) -> RayJobStatus:
    """With the time at which Ray took the job, if this pass has submitted it."""
    for outcome in outcomes:
        is_ours = isinstance(outcome, Succeeded) and isinstance(outcome.action, SubmitJob)
        if is_ours and after.submission.sent_time is not None and after.submission.accepted_time is None:
            return after | RayJobStatus(
                submission=after.submission | Submission(accepted_time=rfc3339(seen.now))
            )
    return after


def is_urgent(before: JsonObject, after: JsonObject) -> bool:
    """Whether more differs than what may wait, and the words of conditions."""
    return _urgent(before) != _urgent(after)


def unheard(before: JsonObject, after: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Two statuses without what a head may change each second; a new state always counts."""
    if before.get("jobDeploymentStatus") != after.get("jobDeploymentStatus"):
        return before, after
    return _without(before, _HEARD), _without(after, _HEARD)


def _urgent(status: JsonObject) -> JsonObject:
    held = {c.type: c.status for c in recorded(status).conditions}
    state = recorded(status).ray_cluster_status.state
    return {**_without(status, (*_LATER, "conditions")), "conditions": held, "cluster": state}


def _without(status: JsonObject, names: Sequence[str]) -> Mapping[str, Any]:
    return {name: value for name, value in status.items() if name not in names}
