"""How pods and whole clusters give way: updates, drains, idle termination."""

from typing import Literal

from pydantic import Field

from rayfleet.api.base import ApiModel, Integer, IntOrString, stored


class UpgradeStrategy(ApiModel):
    """What happens to pods whose template has changed."""

    type: Literal["None", "Recreate", "RollingUpdate"] = Field(
        default="None", description="Nothing, all pods anew at once, or a few at a time."
    )
    max_unavailable: IntOrString | None = Field(
        default=None,
        description="RollingUpdate: replicas of a group, or percent, that may be missing meanwhile.",
    )
    max_surge: IntOrString | None = Field(
        default=None,
        description="RollingUpdate: replicas of a group, or percent, that may be too many meanwhile.",
    )


class DrainOptions(ApiModel):
    """How long work may go on in a pod that has to go."""

    voluntary_seconds: Integer = stored(600, "When the operator chose it: a shrink or an update.", ge=0)
    involuntary_seconds: Integer = stored(60, "When the node is about to go and nobody said when.", ge=0)


class IdleTerminationOptions(ApiModel):
    """What happens to a cluster, head included, that nobody uses."""

    timeout_seconds: Integer = Field(gt=0, description="How long nobody may use the cluster.")
    policy: Literal["Suspend", "Delete"] = Field(description="What happens then.")
