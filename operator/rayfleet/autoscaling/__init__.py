"""How large each group should be for the current queue. Pure: values in, values out."""

from rayfleet.autoscaling.decide import decide
from rayfleet.autoscaling.decision import (
    AS_IT_SHOULD_BE,
    Decision,
    DemandAnswer,
    DemandHold,
    DemandKind,
    GroupDecision,
    HoldKind,
    IdleNode,
    Placed,
    ReplicaCancel,
    ReplicaDrain,
    SizeReason,
    Tier,
    Waiting,
)
from rayfleet.autoscaling.inputs import (
    AutoscalingPolicy,
    Blocked,
    BlockedReason,
    GpuHeadroom,
    Memory,
    Worker,
    WorkerGroup,
)

__all__ = [
    "AS_IT_SHOULD_BE",
    "AutoscalingPolicy",
    "Blocked",
    "BlockedReason",
    "Decision",
    "DemandAnswer",
    "DemandHold",
    "DemandKind",
    "GpuHeadroom",
    "GroupDecision",
    "HoldKind",
    "IdleNode",
    "Memory",
    "Placed",
    "ReplicaCancel",
    "ReplicaDrain",
    "SizeReason",
    "Tier",
    "Waiting",
    "Worker",
    "WorkerGroup",
    "decide",
]
