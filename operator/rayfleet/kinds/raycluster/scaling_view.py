"""What a cluster that scales with its queue is decided by, beside its objects: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rayfleet.autoscaling import Memory
from rayfleet.autoscaling.limits import NamespaceCeilings, ScalingLimits
from rayfleet.autoscaling.metrics import GroupWish
from rayfleet.fleet.gpu_usage import GpuUsage
from rayfleet.ray.state import RayView

NO_MEMORY: Final = Memory()


class Sizing(NamedTuple):
    """Of one group."""

    wanted: int
    """Replicas."""
    replicas: int
    """The spec's `replicas` that was taken into account."""


@dataclass(frozen=True, slots=True)
class ScalingView:
    """What a cluster that scales with its queue is decided by, beside its objects."""

    ray: RayView = field(default_factory=RayView)
    acted_on: Mapping[str, Sizing] = field(default_factory=dict)
    """By group, what the last pass of this process has acted on; the status may not say so yet."""
    wishes: tuple[GroupWish, ...] = ()
    limits: ScalingLimits = field(default_factory=ScalingLimits)
    namespace_ceilings: NamespaceCeilings = field(default_factory=NamespaceCeilings)
    usage: GpuUsage = field(default_factory=GpuUsage)
    memory: Memory = NO_MEMORY
    """Of the last decision on sizes."""
