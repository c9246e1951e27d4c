"""The head group and the worker groups of a cluster."""

from typing import Final

from pydantic import Field

from rayfleet.api.base import (
    INT32_MAX,
    MOST_GROUPS,
    MOST_NAMES,
    ApiModel,
    Boolean,
    IngressTLS,
    Integer,
    NonNegativeInteger,
    PodTemplate,
    ServiceTemplate,
    stored,
)

GATE_NAME: Final = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
)
"""The form of a scheduling gate's name: a name after an optional DNS prefix and '/'."""
_RAY_START_PARAMS = (
    'Flags of `ray start`, without the dashes; a flag without a value is written as "true". Values are shell'
    " words: quotes and variables of the container work as they do there."
)
_RESOURCES = (
    "Logical resources of the Ray node: CPU, GPU and memory, in upper or lower case, and other names, which"
    " are custom resources in whole numbers; they override the pod's."
)
_LABELS = "Labels of the Ray node, for label selectors of tasks and actors; also set on the pod."


class IngressOptions(ApiModel):
    """How the dashboard is reached through an Ingress."""

    host: str | None = Field(default=None, description="Host name of the Ingress rule.")
    path: str = Field(default="/", description="Path of the Ingress rule.")
    path_type: str = Field(default="Prefix", description="Path type of the Ingress rule.")
    tls: tuple[IngressTLS, ...] = Field(default=(), description="TLS entries of the Ingress.")


class HeadGroupSpec(ApiModel):
    """The pod that runs Ray's head."""

    template: PodTemplate = Field(description="Template of the head pod; its first container runs Ray.")
    ray_start_params: dict[str, str] = Field(default_factory=dict, description=_RAY_START_PARAMS)
    service_type: str = Field(
        default="ClusterIP", description="Type of the head Service, used when it is created."
    )
    head_service: ServiceTemplate | None = Field(
        default=None,
        description="A Service that is merged into the generated head Service: its name, ports, selector. "
        "It is created once: delete it to apply a change.",
    )
    enable_ingress: Boolean = Field(default=False, description="Whether the dashboard gets an Ingress.")
    ingress_options: IngressOptions | None = Field(default=None, description="Details of that Ingress.")
    resources: dict[str, str] = Field(
        default_factory=dict, description=_RESOURCES, json_schema_extra={"maxProperties": MOST_NAMES}
    )
    labels: dict[str, str] = Field(default_factory=dict, description=_LABELS)


class ScaleGate(ApiModel):
    """Something that keeps a group from growing, such as an exhausted quota."""

    name: str = Field(
        description="Who has set the gate and why, such as example.com/quota-exceeded. A controller writes "
        "and removes only its own gates.",
        json_schema_extra={"maxLength": 317, "pattern": GATE_NAME},
    )


class ScaleStrategy(ApiModel):
    """Which pods are removed when a group shrinks, and whether it may grow."""

    workers_to_delete: tuple[str, ...] = Field(
        default=(),
        description="Names of pods of this cluster to delete; Ray's own autoscaler writes them.",
    )
    scale_gate: tuple[ScaleGate, ...] = Field(
        default=(),
        description="While there is a gate, no pod of the group is created; existing pods stay. Work goes to "
        "its fallback, or to other groups, at once. Quota systems write it.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class FailurePolicy(ApiModel):
    """How failed workers are handled."""

    initial_backoff_seconds: Integer = stored(
        1, "Wait before the first replacement of a pod that failed through its own fault.", ge=0
    )
    max_backoff_seconds: Integer = stored(
        300, "The longest such wait; each further failure doubles the wait up to this.", ge=0
    )
    node_failure_threshold: Integer = stored(3, "Failures on one node after which the node is avoided.", ge=1)
    node_exclusion_seconds: Integer = stored(3600, "How long such a node is avoided.", ge=0)
    node_not_ready_seconds: Integer = stored(
        60, "How long a node may be unready before its pods count as lost.", ge=0
    )
    join_timeout_seconds: Integer = stored(
        300, "How long a running pod may take to join the Ray cluster before its work goes elsewhere.", ge=0
    )
    max_surge: NonNegativeInteger | None = Field(
        default=None,
        description="Replacements that may exist next to the pods they replace; 1 if unset, 0 under Kueue.",
    )


class Fallback(ApiModel):
    """Where a group's work goes while its own pods are blocked."""

    groups: tuple[str, ...] = Field(
        default=(),
        max_length=MOST_GROUPS,
        description="Groups of this cluster to use instead, best first.",
    )
    after_seconds: Integer = stored(
        0,
        "How long pods must be blocked before the first of them is used. With 0: at once if something is "
        "wrong, and after `failurePolicy.joinTimeoutSeconds` if they are merely starting.",
        ge=0,
    )


class WorkerGroupSpec(ApiModel):
    """A set of equal worker pods."""

    group_name: str = Field(description="Name of the group, unique in the cluster.")
    replicas: Integer = stored(0, "Desired size of the group; with autoscaling only its initial size.")
    min_replicas: Integer = stored(0, "The group never shrinks below this.", json_schema_extra={"minimum": 0})
    max_replicas: Integer = stored(
        INT32_MAX, "The group never grows beyond this.", json_schema_extra={"minimum": 0}
    )
    num_of_hosts: Integer = stored(1, "Pods in one replica; more than one for multi-host accelerators.")
    idle_timeout_seconds: Integer | None = Field(
        default=None,
        description="Idle time after which a worker of this group is removed; the cluster's if unset.",
    )
    priority: Integer = stored(
        0, "Of groups that fit equally well, the one with the highest priority grows first."
    )
    ray_start_params: dict[str, str] = Field(default_factory=dict, description=_RAY_START_PARAMS)
    resources: dict[str, str] = Field(
        default_factory=dict, description=_RESOURCES, json_schema_extra={"maxProperties": MOST_NAMES}
    )
    labels: dict[str, str] = Field(default_factory=dict, description=_LABELS)
    template: PodTemplate = Field(description="Template of the worker pods; its first container runs Ray.")
    scale_strategy: ScaleStrategy = Field(
        default_factory=ScaleStrategy,
        description="Which pods are removed when the group shrinks, and what keeps it from growing.",
    )
    suspend: Boolean = Field(default=False, description="Whether the group has no pods for the time being.")
    failure_policy: FailurePolicy = Field(
        default_factory=FailurePolicy, description="How failed workers are handled."
    )
    fallback: Fallback | None = Field(
        default=None, description="Where the group's work goes while its own pods are blocked."
    )
