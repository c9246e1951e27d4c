"""How pods and whole clusters are replaced or removed: updates, drains, idle termination."""

from typing import Literal

from pydantic import Field

from rayfleet.api.base import ApiModel, Integer, IntOrString, stored


class UpgradeStrategy(ApiModel):
    """What happens to pods whose template has changed."""

    type: Literal["None", "Recreate", "RollingUpdate"] = Field(
        default="None", description="Nothing, recreate all pods at once, or a few at a time."
    )
    max_unavailable: IntOrString | None = Field(
        default=None,
        description="RollingUpdate: replicas of a group, or percent, that may be missing during the update.",
    )
    max_surge: IntOrString | None = Field(
        default=None,
        description="RollingUpdate: extra replicas of a group, or percent, that may exist during the update.",
    )


class DrainOptions(ApiModel):
    """How long work may continue in a pod that must be removed."""

    voluntary_seconds: Integer = stored(
        600, "If the operator chose to remove it: a shrink or an update.", ge=0
    )
    involuntary_seconds: Integer = stored(60, "If its node is about to go, and nobody said when.", ge=0)


class IdleTerminationOptions(ApiModel):
    """What happens to an unused cluster, including its head."""

    timeout_seconds: Integer = Field(gt=0, description="How long the cluster may be unused.")
    policy: Literal["Suspend", "Delete"] = Field(description="What happens then.")
