"""Passes that make a plan smaller."""

from dataclasses import replace
from itertools import groupby

from rayfleet.plan.actions import CreatePod, Plan

MOST_CREATES = 200
"""Pods that one pass creates at most: a changed spec is seen after that many, not after 10,000."""


def limit_creates(plan: Plan, most: int = MOST_CREATES) -> Plan:
    """Keep `most` pod creates, and come back for the rest at once.

    A multi-host replica is kept whole or left for later.
    """
    pods = [a for stage in plan.stages for a in stage if isinstance(a, CreatePod)]
    if len(pods) <= most:
        return plan
    left, kept = most, set()
    for _, unit in groupby(pods, key=lambda pod: (pod.group, pod.replica or pod.name)):
        together = list(unit)
        # A replica that is larger than any pass comes first, or never.
        if len(together) <= left or (together[0].replica and left == most):
            left -= len(together)
            kept |= {id(pod) for pod in together}
    stages = (
        tuple(a for a in stage if not isinstance(a, CreatePod) or id(a) in kept) for stage in plan.stages
    )
    return replace(plan, stages=tuple(stage for stage in stages if stage), requeue_after=0.0)
