"""Events: one per kind of action, group and pass, with the reasons that Ray's users know."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus, recorded
from rayfleet.api.violation import Violation
from rayfleet.autoscaling.words import counted
from rayfleet.engine.actions import Action
from rayfleet.engine.event import Event
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import Policy, policy
from rayfleet.kinds.raycluster.plan import (
    Cause,
    CreatePod,
    CreateSecret,
    CreateService,
    DeletePod,
    Plan,
    RemoveFinalizer,
    SelectHead,
)
from rayfleet.kinds.raycluster.status.scaling import scaling_events


def events_of(
    outcomes: Sequence[Outcome],
    violations: Sequence[Violation],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    plan: Plan | None = None,
) -> tuple[Event, ...]:
    """What a pass did and failed to do, which conditions changed, and what was decided."""
    was, now = recorded(before), recorded(after)
    scaling = scaling_events(plan, outcomes, was, now) if plan is not None else ()
    scaled = plan is not None and plan.decision is not None
    return tuple(
        event.shortened()
        for event in (
            *(Event(*each, heard=True) for each in scaling),
            *_done(outcomes, scaled=scaled),
            *_failed(outcomes, scaled=scaled),
            *_turned(violations, was, now),
        )
    )


def _done(outcomes: Sequence[Outcome], *, scaled: bool) -> Iterator[Event]:
    done = [outcome.action for outcome in outcomes if isinstance(outcome, Succeeded)]
    creates = [action for action in done if isinstance(action, CreatePod)]
    for (node_type, group, reason), count in Counter(
        (a.node_type, a.group, a.reason) for a in creates
    ).items():
        note = f"Created {counted(count, 'pod')} in group {group}: {reason}"
        heard = scaled and node_type == NodeType.WORKER
        name = f"Created{_kind(node_type)}Pod"
        yield Event("Normal", name, "Create", note, heard, settles=f"FailedToCreate{_kind(node_type)}Pod")
    for action in done:
        if isinstance(action, SelectHead):
            note = f"Service {action.name} now selects by the labels of the head: {action.reason}"
            yield Event("Normal", "UpdatedService", "Update", note)
    deletes = [action for action in done if isinstance(action, DeletePod)]
    for (node_type, group, cause), count in Counter((a.node_type, a.group, a.cause) for a in deletes).items():
        reason = min(a.reason for a in deletes if (a.group, a.cause) == (group, cause))
        note = f"Deleted {counted(count, 'pod')} in group {group}, {cause.value}: {reason}"
        heard = scaled and cause in _HEARD
        name = f"Deleted{_kind(node_type)}Pod"
        yield Event("Normal", name, "Delete", note, heard, settles=f"FailedToDelete{_kind(node_type)}Pod")
    for action in done:
        if isinstance(action, RemoveFinalizer):
            note = f"Removed finalizer {action.finalizer}: {action.reason}"
            yield Event("Warning", "RedisNotCleanedUp", "Cleanup", note)


_HEARD: Final = frozenset({Cause.IDLE, Cause.NOT_NEEDED, Cause.RAY_ENDED})
"""Causes of deletes that follow from a head's answers."""


def _failed(outcomes: Sequence[Outcome], *, scaled: bool) -> Iterator[Event]:
    """The first failure of each kind; a conflict is not a failure but how two writers take turns."""
    seen = set()
    for failed in troubles(outcomes):
        attempt = _attempt(failed.action)
        if attempt is not None and attempt not in seen:
            seen.add(attempt)
            verb, what, where = attempt
            heard = scaled and what == f"{_kind(NodeType.WORKER)}Pod"
            yield Event("Warning", f"FailedTo{verb}{what}", verb, f"{where}: {failed.failure.message}", heard)


def troubles(outcomes: Sequence[Outcome]) -> Iterator[Failed]:
    """The failures that are reported to users.

    Excluded are conflicts between two writers, and refused templates, which show as `Valid`. Services and
    Secrets have no other place to show.
    """
    silent = {Policy.CONFLICT, Policy.GONE, Policy.INVALID}
    for outcome in outcomes:
        if isinstance(outcome, Failed) and (
            isinstance(outcome.action, CreateService | CreateSecret) or policy(outcome.failure) not in silent
        ):
            yield outcome


def _attempt(action: Action) -> tuple[str, str, str] | None:
    """The verb, the kind of object and the place of an action that is reported to users."""
    match action:
        case CreatePod():
            return "Create", f"{_kind(action.node_type)}Pod", f"group {action.group}"
        case DeletePod():
            return "Delete", f"{_kind(action.node_type)}Pod", f"group {action.group}"
        case CreateService():
            return "Create", "Service", f"Service {action.name}"
        case SelectHead():
            return "Update", "Service", f"Service {action.name}"
        case CreateSecret():
            return "Create", "Secret", f"Secret {action.name}"
        case RemoveFinalizer():
            return "Remove", "Finalizer", f"Finalizer {action.finalizer}"
        case _:
            return None


def _turned(
    violations: Sequence[Violation], before: RayClusterStatus, after: RayClusterStatus
) -> Iterator[Event]:
    was_invalid = any(c.type == ConditionType.VALID and c.status == "False" for c in before.conditions)
    if violations and _message(after) and not (was_invalid and _message(before) == _message(after)):
        yield Event("Warning", "InvalidRayClusterSpec", "Validate", _message(after))
    if was_invalid and after.holds(ConditionType.VALID):
        note = "The spec is valid again"
        yield Event("Normal", "ValidRayClusterSpec", "Validate", note, settles="InvalidRayClusterSpec")


def _message(status: RayClusterStatus) -> str:
    valid = status.condition(ConditionType.VALID)
    return "" if valid is None else valid.message


def _kind(node_type: str) -> str:
    return "Head" if node_type == NodeType.HEAD else "Worker"
