"""The spec of a RayCluster."""

from pydantic import Field

from rayfleet.api.base import MOST_GROUPS, ApiModel, Boolean
from rayfleet.api.names import ManagedBy
from rayfleet.api.raycluster.autoscaler_options import AutoscalerOptions
from rayfleet.api.raycluster.fault_tolerance import GcsFaultToleranceOptions
from rayfleet.api.raycluster.groups import HeadGroupSpec, WorkerGroupSpec
from rayfleet.api.raycluster.history_server import HistoryServerOptions
from rayfleet.api.raycluster.lifecycle import DrainOptions, IdleTerminationOptions, UpgradeStrategy
from rayfleet.api.raycluster.security import AuthOptions, NetworkPolicySpec, TlsOptions


class RayClusterSpec(ApiModel):
    """The desired state of a Ray cluster."""

    head_group_spec: HeadGroupSpec = Field(description="The head.")
    worker_group_specs: tuple[WorkerGroupSpec, ...] = Field(
        default=(),
        max_length=MOST_GROUPS,
        description="The worker groups.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["groupName"]},
    )
    ray_version: str = Field(
        default="",
        description=(
            "Version of Ray in the images. If it is missing or not a version, the tag of the image counts."
        ),
    )
    enable_in_tree_autoscaling: Boolean = Field(
        default=False, description="Whether the worker groups are scaled with Ray's queue."
    )
    autoscaler_options: AutoscalerOptions = Field(
        default_factory=AutoscalerOptions, description="How the cluster is scaled."
    )
    head_service_annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations of the head Service, used when it is created."
    )
    gcs_fault_tolerance_options: GcsFaultToleranceOptions | None = Field(
        default=None, description="Where the head's state is kept, so that a new head can continue with it."
    )
    upgrade_strategy: UpgradeStrategy | None = Field(
        default=None, description="What happens to pods whose template has changed; nothing if unset."
    )
    auth_options: AuthOptions = Field(
        default_factory=AuthOptions, description="How Ray authenticates its callers."
    )
    suspend: Boolean = Field(default=False, description="Whether the cluster has no pods for the time being.")
    managed_by: str | None = Field(
        default=None,
        description="Which controller the cluster belongs to; it cannot be changed later.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self == oldSelf",
                    "message": "managedBy is immutable: create a new cluster instead.",
                },
                {
                    "rule": f"self in {list(ManagedBy.ALL)}",
                    "message": f"managedBy must be one of {', '.join(ManagedBy.ALL)}.",
                },
            ]
        },
    )
    network_policy: NetworkPolicySpec | None = Field(
        default=None, description="The network policies of the cluster's pods; none if unset."
    )
    tls_options: TlsOptions | None = Field(default=None, description="Mutual TLS between the cluster's pods.")
    history_server_options: HistoryServerOptions | None = Field(
        default=None, description="What is collected for Ray's history server; nothing if unset."
    )
    idle_termination_options: IdleTerminationOptions | None = Field(
        default=None, description="What happens to an unused cluster; nothing if unset."
    )
    idle_suspend: Boolean = Field(
        default=False,
        description="Set by the autoscaler when it suspends the cluster as unused.",
    )
    drain_options: DrainOptions = Field(
        default_factory=DrainOptions, description="How long work may continue in a pod that must be removed."
    )
