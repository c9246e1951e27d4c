"""Whether the operator still acts: what it last did, when something is due now."""

from collections.abc import Sequence
from typing import Final

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus
from rayfleet.autoscaling import DemandAnswer, HoldKind
from rayfleet.explain.next_steps import Step
from rayfleet.explain.noted import noted_demand
from rayfleet.explain.sources import Sources
from rayfleet.kube.objects.timestamps import unix_seconds

SILENT_SECONDS: Final = 60.0
"""The operator acts within seconds of what it sees: after this time it probably does not run."""
_OF_THE_OPERATOR: Final = frozenset({HoldKind.CEILING, HoldKind.RATE, HoldKind.WITHHELD})
"""What only the operator may know: it can hold back what would start by the decision made here."""


def silent_since(
    sources: Sources, status: RayClusterStatus, steps: Sequence[Step], answers: Sequence[DemandAnswer]
) -> float | None:
    """When the operator last acted, in Unix seconds, if that is long ago although a step is due.

    None if nothing is due, if the operator says why it waits, or if the status has no time.
    """
    if not any(step.due for step in steps) or _says_why(status, answers):
        return None
    acted = _last_act(sources, status)
    patience = SILENT_SECONDS + (_longest_window(sources.spec) if sources.spec is not None else 0.0)
    return acted if acted and sources.now - acted > patience else None


def _last_act(sources: Sources, status: RayClusterStatus) -> float:
    written = [unix_seconds(condition.last_transition_time) for condition in status.conditions]
    written.append(unix_seconds(status.last_update_time))
    if not any(written):
        return 0.0
    others = [*(pod.created for pod in sources.pods), *(event.time for event in sources.events)]
    return max(*written, *others)


def _says_why(status: RayClusterStatus, answers: Sequence[DemandAnswer]) -> bool:
    if any(one.type == ConditionType.MANAGED and not one.holds for one in status.conditions):
        return True
    noted = [note for note in noted_demand(status) if note.reason in _OF_THE_OPERATOR]
    return any(note.is_about(answer) for note in noted for answer in answers)


def _longest_window(spec: RayClusterSpec) -> float:
    """For how long the operator may remember what cannot be seen from here."""
    behavior = spec.autoscaler_options.behavior
    seconds = [
        part
        for rules in (behavior.scale_up, behavior.scale_down)
        for part in (
            rules.stabilization_window_seconds or 0,
            *(policy.period_seconds for policy in rules.policies),
        )
    ]
    return float(max(seconds))
