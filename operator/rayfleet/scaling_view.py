"""What a cluster that scales with its queue is decided by, beside its objects: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rayfleet.external_metrics import GroupWish
from rayfleet.ray_state import RayView
from rayfleet.scaling_limits import NamespaceCeilings, ScalingLimits


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """GPUs of pods, there or about to be created, for ceilings of cost. Whole ones; a part counts as one."""

    own: int = 0
    """Of the cluster itself, as last noted, or as it had within the last minute, if that was more."""
    namespace: int = 0
    """Of the other clusters of the namespace."""
    total: int = 0
    """Of all other clusters."""
    new_in_namespace: int = 0
    """Added within the last minute, by all clusters of the namespace."""
    new_in_total: int = 0
    complete: bool = True
    """Whether every cluster has been counted: after a start that takes a moment."""
    complete_in_namespace: bool = True
    renewed_in: float | None = None
    """Seconds until the oldest of those added within a minute counts no more."""


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
