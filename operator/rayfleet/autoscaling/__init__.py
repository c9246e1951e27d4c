"""How large each group should be for the queue there is. Pure: values in, values out."""

from rayfleet.autoscaling.decide import decide
from rayfleet.autoscaling.decision import (
    AS_IT_SHOULD_BE,
    Answer,
    Cancel,
    Decision,
    DemandKind,
    Drain,
    GroupDecision,
    Hold,
    HoldKind,
    IdleNode,
    Placed,
    Tier,
)
from rayfleet.autoscaling.inputs import Blocked, BlockedReason, Ceiling, Group, Memory, Policy, Worker

__all__ = [
    "AS_IT_SHOULD_BE",
    "Answer",
    "Blocked",
    "BlockedReason",
    "Cancel",
    "Ceiling",
    "Decision",
    "DemandKind",
    "Drain",
    "Group",
    "GroupDecision",
    "Hold",
    "HoldKind",
    "IdleNode",
    "Memory",
    "Placed",
    "Policy",
    "Tier",
    "Worker",
    "decide",
]
