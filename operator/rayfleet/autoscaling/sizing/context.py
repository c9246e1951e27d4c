"""What sizes depend on besides demand, passed from step to step as one value."""

from collections.abc import Mapping

from msgspec import Struct, field

from rayfleet.autoscaling.inputs import AutoscalingPolicy, Memory
from rayfleet.ray.state import RayNode


class SizingContext(Struct, frozen=True):
    """The time at which sizes are decided, and what is known then."""

    policy: AutoscalingPolicy
    memory: Memory
    """The memory of the last decision."""
    now: float
    """Unix seconds."""
    joined: Mapping[str, RayNode] = field(default_factory=dict)
    """The Ray node of each pod."""
    known: bool = True
    """Whether a pod that is not in `joined` has not joined, and what seems idle is idle: without a complete
    view of Ray and of demand nothing shrinks."""
    grounds: tuple[object, ...] = ()
    """What this decision rests on, see `settled`."""
