"""The Ray-level fields of `ray.io/v1`, their meaning and their valid values.

Pod templates and other types of Kubernetes stay raw JSON: Kubernetes validates them.
"""

from rayfleet.api.base import ApiModel
from rayfleet.api.quantity import format_quantity, parse_quantity
from rayfleet.api.raycluster.autoscaler_options import (
    AutoscalerOptions,
    Behavior,
    Metric,
    ScalingPolicy,
    ScalingRules,
)
from rayfleet.api.raycluster.fault_tolerance import GcsFaultToleranceOptions, GcsStorage, RedisCredential
from rayfleet.api.raycluster.groups import (
    FailurePolicy,
    Fallback,
    HeadGroupSpec,
    IngressOptions,
    ScaleStrategy,
    WorkerGroupSpec,
)
from rayfleet.api.raycluster.history_server import CollectorOptions, HistoryServerOptions
from rayfleet.api.raycluster.lifecycle import DrainOptions, IdleTerminationOptions, UpgradeStrategy
from rayfleet.api.raycluster.parsing import parse_spec
from rayfleet.api.raycluster.ray_version import RayVersion, parse_ray_version, ray_version_of
from rayfleet.api.raycluster.scaler import asks_for_sidecar, needs_sidecar, scales_here, sidecar_options
from rayfleet.api.raycluster.security import (
    AuthOptions,
    NetworkPolicyRules,
    NetworkPolicySpec,
    TlsOptions,
    WorkerGroupNetworkPolicy,
)
from rayfleet.api.raycluster.spec import RayClusterSpec
from rayfleet.api.raycluster.validation import validate
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
