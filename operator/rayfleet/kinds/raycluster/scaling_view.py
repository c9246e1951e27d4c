"""The input of scaling decisions beyond the cluster's own objects: frozen values."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct, field

from rayfleet.autoscaling import Memory
from rayfleet.autoscaling.limits import NamespaceCeilings, ScalingLimits
from rayfleet.autoscaling.metrics import MetricReplicas
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.ray.state import RayView

NO_MEMORY: Final = Memory()


class Sizing(NamedTuple):
    """The size of one group that was acted on."""

    wanted: int
    """Replicas."""
    replicas: int
    """The spec's `replicas` at that time."""


class ScalingView(Struct, frozen=True):
    """The input of scaling decisions beyond the cluster's own objects."""

    ray: RayView = field(default_factory=RayView)
    acted_on: Mapping[str, Sizing] = field(default_factory=dict)
    """The sizes that the last pass of this process acted on, by group; the status may not have them yet."""
    metric_replicas: tuple[MetricReplicas, ...] = ()
    limits: ScalingLimits = field(default_factory=ScalingLimits)
    namespace_ceilings: NamespaceCeilings = field(default_factory=NamespaceCeilings)
    usage: GpuUsage = field(default_factory=GpuUsage)
    memory: Memory = NO_MEMORY
    """What the last decision on sizes left."""
