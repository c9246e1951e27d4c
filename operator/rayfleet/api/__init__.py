"""The Ray-level fields of `ray.io/v1`, what they mean, and which of their values make sense.

Pod templates and other types of Kubernetes' own stay raw JSON: Kubernetes judges them.
"""

from rayfleet.api.autoscaler_options import AutoscalerOptions, Behavior, Metric, ScalingPolicy, ScalingRules
from rayfleet.api.base import ApiModel
from rayfleet.api.fault_tolerance import GcsFaultToleranceOptions, GcsStorage, RedisCredential
from rayfleet.api.groups import (
    FailurePolicy,
    Fallback,
    HeadGroupSpec,
    IngressOptions,
    ScaleStrategy,
    WorkerGroupSpec,
)
from rayfleet.api.history_server import CollectorOptions, HistoryServerOptions
from rayfleet.api.lifecycle import DrainOptions, IdleTerminationOptions, UpgradeStrategy
from rayfleet.api.parsing import parse_spec
from rayfleet.api.quantity import format_quantity, parse_quantity
from rayfleet.api.ray_version import RayVersion, parse_ray_version, ray_version_of
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.scaler import asks_for_sidecar, needs_sidecar, scales_here, sidecar_options
from rayfleet.api.security import (
    AuthOptions,
    NetworkPolicyRules,
    NetworkPolicySpec,
    TlsOptions,
    WorkerGroupNetworkPolicy,
)
from rayfleet.api.validation import validate
from rayfleet.api.violation import Violation

__all__ = [
    "ApiModel",
    "AuthOptions",
    "AutoscalerOptions",
    "Behavior",
    "CollectorOptions",
    "DrainOptions",
    "FailurePolicy",
    "Fallback",
    "GcsFaultToleranceOptions",
    "GcsStorage",
    "HeadGroupSpec",
    "HistoryServerOptions",
    "IdleTerminationOptions",
    "IngressOptions",
    "Metric",
    "NetworkPolicyRules",
    "NetworkPolicySpec",
    "RayClusterSpec",
    "RayVersion",
    "RedisCredential",
    "ScaleStrategy",
    "ScalingPolicy",
    "ScalingRules",
    "TlsOptions",
    "UpgradeStrategy",
    "Violation",
    "WorkerGroupNetworkPolicy",
    "WorkerGroupSpec",
    "asks_for_sidecar",
    "format_quantity",
    "needs_sidecar",
    "parse_quantity",
    "parse_ray_version",
    "parse_spec",
    "ray_version_of",
    "scales_here",
    "sidecar_options",
    "validate",
]
