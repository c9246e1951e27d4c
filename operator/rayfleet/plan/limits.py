"""Passes that make a plan smaller."""

from dataclasses import replace

from rayfleet.plan.actions import Action, CreatePod, Plan

MOST_CREATES = 200
"""Pods that one pass creates at most: a changed spec is seen after that many, not after 10,000."""


def limit_creates(plan: Plan, most: int = MOST_CREATES) -> Plan:
    """Keep the first `most` pod creates, and come back for the rest at once."""
    left = most
    stages: list[tuple[Action, ...]] = []
    for stage in plan.stages:
        kept: list[Action] = []
        for action in stage:
            if isinstance(action, CreatePod):
                left -= 1
            if left >= 0 or not isinstance(action, CreatePod):
                kept.append(action)
        stages.append(tuple(kept))
    if left >= 0:
        return plan
    return replace(plan, stages=tuple(stage for stage in stages if stage), requeue_after=0.0)
