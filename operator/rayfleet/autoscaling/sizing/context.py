"""What sizes depend on besides demand, handed from step to step as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rayfleet.autoscaling.inputs import AutoscalingPolicy, Memory
from rayfleet.ray.state import RayNode


@dataclass(frozen=True, slots=True)
class SizingContext:
    """The moment at which sizes are decided, and what is known at it."""

    policy: AutoscalingPolicy
    memory: Memory
    """Of the last decision."""
    now: float
    """Unix seconds."""
    joined: Mapping[str, RayNode] = field(default_factory=dict)
    """By pod, the Ray node it runs."""
    known: bool = True
    """Whether a pod that is not among `joined` has not joined, and what seems to be idle is: without a whole
    view of Ray and of what waits nothing shrinks."""
    grounds: tuple[object, ...] = ()
    """What this decision rests on: see `settled`."""
