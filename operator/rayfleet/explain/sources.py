"""The input of `rayfleet explain`: the objects of one cluster, and the queue of its head."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field

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
    """An event of the cluster."""

    time: float
    """When it last happened, Unix seconds."""
    reason: str
    message: str
    warning: bool
    times: int


class Sources(Struct, frozen=True):
    """Everything that an explanation is based on."""

    cluster: Root
    spec: RayClusterSpec | None
    """None if the stored spec breaks a rule about more than one group."""
    pods: tuple[Pod, ...]
    events: tuple[EventNote, ...]
    queue: Queue
    now: float
    """Unix seconds."""
    ceilings: NamespaceCeilings = field(default_factory=NamespaceCeilings)
    missing: tuple[str, ...] = ()
    """What could not be read, and why."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Groups in which nothing is created because their spec is invalid, with the reason."""
    pods_known: bool = True
    """Whether `pods` could be read: unreadable pods are not zero pods."""
