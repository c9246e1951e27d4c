"""How a cluster with autoscaling is scaled."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from rayfleet.api.base import (
    ApiModel,
    Boolean,
    EnvFromSource,
    EnvVar,
    Integer,
    QuantityValue,
    ResourceRequirements,
    SecurityContext,
    VolumeMount,
    stored,
    whole_number,
)

StabilizationWindow: TypeAlias = Annotated[int, Field(ge=0, le=3600), BeforeValidator(whole_number)]


class Metric(ApiModel):
    """A queue outside Ray that a group's size follows."""

    type: Literal["Prometheus"] = Field(description="Where the value comes from.")
    query: str = Field(description="Name of a query in the operator's settings.")
    target_value: QuantityValue = Field(description="Value that one replica of the group can handle.")
    worker_group: str = Field(description="Group that the value scales.")


class ScalingPolicy(ApiModel):
    """How much a group may change in a period, as in autoscaling/v2."""

    type: Literal["Pods", "Percent"] = Field(description="What `value` counts.")
    value: Integer = Field(gt=0, description="The most that may be added or removed in the period.")
    period_seconds: Integer = Field(gt=0, le=1800, description="Length of the period.")


class ScalingRules(ApiModel):
    """How fast groups may change in one direction, as in autoscaling/v2."""

    stabilization_window_seconds: StabilizationWindow | None = Field(
        default=None, description="How far back recommendations are considered before a change."
    )
    select_policy: Literal["Max", "Min", "Disabled"] = Field(
        default="Max",
        description="Which policy counts if they differ; Disabled allows no change at all.",
    )
    policies: tuple[ScalingPolicy, ...] = Field(
        default=(), description="Limits on the change; no limit if empty."
    )


class Behavior(ApiModel):
    """How fast groups may grow and shrink."""

    scale_up: ScalingRules = Field(default_factory=ScalingRules, description="Limits on growth.")
    scale_down: ScalingRules = Field(default_factory=ScalingRules, description="Limits on shrinking.")


class AutoscalerOptions(ApiModel):
    """How a cluster with autoscaling is scaled, and by which autoscaler."""

    resources: ResourceRequirements | None = Field(
        default=None, description="Resources of the autoscaler container; 500m and 512Mi if unset."
    )
    image: str | None = Field(
        default=None, description="Image of the autoscaler container; the head's if unset."
    )
    image_pull_policy: str | None = Field(
        default=None, description="Pull policy of the autoscaler container's image; IfNotPresent if unset."
    )
    security_context: SecurityContext | None = Field(
        default=None, description="Security context of the autoscaler container."
    )
    idle_timeout_seconds: Integer = Field(
        default=60, json_schema_extra={"minimum": 0}, description="Idle time after which a worker is removed."
    )
    upscaling_mode: Literal["Default", "Aggressive", "Conservative"] = Field(
        default="Default",
        description="How fast groups grow: Conservative starts at most as many pods as are running, or one.",
    )
    version: Literal["v1", "v2"] | None = Field(
        default=None, description="Version of Ray's autoscaler; Ray decides if unset."
    )
    env: tuple[EnvVar, ...] = Field(default=(), description="Environment of the autoscaler container.")
    env_from: tuple[EnvFromSource, ...] = Field(
        default=(), description="Sources of the autoscaler container's environment."
    )
    volume_mounts: tuple[VolumeMount, ...] = Field(
        default=(), description="Volume mounts of the autoscaler container."
    )
    command: tuple[str, ...] = Field(default=(), description="Command of the autoscaler container.")
    args: tuple[str, ...] = Field(default=(), description="Arguments of the autoscaler container.")
    runtime: Literal["Operator", "Sidecar"] | None = Field(
        default=None,
        description=(
            "Who scales the cluster: this operator, or Ray's own autoscaler in a container next to the head."
            " If unset: Operator, or Sidecar for Ray below 2.47, `version: v1`, a command or an image."
        ),
    )
    target: Literal["Status", "Spec"] = stored(
        "Status",
        "Where the desired size is kept: in the status, or in the spec's `replicas` for tools that read it.",
    )
    metrics: tuple[Metric, ...] = Field(default=(), description="Queues outside Ray that groups follow, too.")
    behavior: Behavior = Field(
        default_factory=Behavior, description="How fast groups may grow and shrink, as in autoscaling/v2."
    )
    fail_infeasible_tasks: Boolean = stored(
        False, "Whether tasks that are larger than a whole node of every group fail instead of waiting."
    )
