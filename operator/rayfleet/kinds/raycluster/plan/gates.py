"""Gates on the growth of a group: while one is there, no pod of the group is created."""

from dataclasses import replace
from typing import Final

from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec
from rayfleet.autoscaling.words import counted, several
from rayfleet.kinds.raycluster.plan.workers import WorkersPlan

_MOST_NAMED: Final = 3


def gate_words(group: WorkerGroupSpec) -> str:
    """Which gates keep a group from growing; empty where none does."""
    names = [gate.name for gate in group.scale_strategy.scale_gate]
    if not names:
        return ""
    named = several(names[:_MOST_NAMED], len(names))
    return f"it does not grow: gated by {named} (scaleStrategy.scaleGate)"


def gated_groups(spec: RayClusterSpec) -> dict[str, str]:
    """The groups that are gated, and by what."""
    return {group.group_name: words for group in spec.worker_group_specs if (words := gate_words(group))}


def behind_gate(planned: WorkersPlan, group: WorkerGroupSpec, missing: int, words: str) -> WorkersPlan:
    """What is planned for a group, without the pods that a gate keeps from being created, `missing` in all.

    What is there stays, and what is to go goes. Without `words` there is no gate.
    """
    if not words or not (planned.creates or missing > 0):
        return planned
    count = max(missing, len(planned.creates))
    which = f"{counted(count, 'pod')} of {group.group_name} {'waits' if count == 1 else 'wait'}"
    return replace(planned, creates=(), wait=f"{which}: {words}")
