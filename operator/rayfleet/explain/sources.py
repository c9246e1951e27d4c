"""What `rayfleet explain` is told: the objects of one cluster, and the queue of its head."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.autoscaling.limits import NamespaceCeilings
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import RayState


class Queue(NamedTuple):
    """A head's answer, or why there is none."""

    state: RayState | None
    trouble: str = ""


class EventNote(NamedTuple):
    """Something that happened to the cluster."""

    time: float
    """When last, Unix seconds."""
    reason: str
    message: str
    warning: bool
    times: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that an explanation is made from."""

    cluster: Root
    spec: RayClusterSpec | None
    """None where the stored one breaks a rule that is about more than one group."""
    pods: tuple[Pod, ...]
    events: tuple[EventNote, ...]
    queue: Queue
    now: float
    """Unix seconds."""
    ceilings: NamespaceCeilings = field(default_factory=NamespaceCeilings)
    missing: tuple[str, ...] = ()
    """What could not be read, and why."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Groups in which nothing is created, as the spec makes no sense there, and why."""
    pods_known: bool = True
    """Whether `pods` could be read: without them, none is not zero."""
