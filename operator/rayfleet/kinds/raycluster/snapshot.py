"""What the planner sees: the trimmed objects of one cluster at one moment, as frozen values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import RayClusterStatus, recorded
from rayfleet.api.violation import Violation
from rayfleet.kinds.raycluster.pod_settings import DEFAULT, PodSettings
from rayfleet.kinds.raycluster.scaling_view import ScalingView
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.kube.objects.services import Service

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hold:
    """A group whose pods could not be created: left alone until a time, while the others go on."""

    until: float
    """Unix seconds."""
    words: str
    since: float = 0.0
    """When the first create in a row was refused, Unix seconds."""


class Settling(NamedTuple):
    """A group whose pods end soon after their start, again and again: its next round waits, and is small."""

    until: float
    """Unix seconds."""
    rounds: int
    """How many have failed in a row."""
    ended: frozenset[str]
    """Uids of the pods that are there and have ended so."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one decision is made from."""

    cluster: Root
    spec: RayClusterSpec | None
    """The spec to act by: the stored one when it is valid, else the last valid one, else none."""
    violations: tuple[Violation, ...]
    """What is wrong with the stored spec."""
    pods: tuple[Pod, ...]
    """Pods whose controller is this very cluster (by uid), oldest first."""
    services: tuple[Service, ...]
    now: float
    """Unix seconds."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Template hash to the API server's words, for templates it will not have."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Group name to why nothing can be created in it: what the spec says of it makes no sense."""
    held: Mapping[str, Hold] = field(default_factory=dict)
    """Group name (`headgroup` for the head) to why nothing is created in it for now."""
    settling: Mapping[str, Settling] = field(default_factory=dict)
    """Group name (`headgroup` for the head) to how its ended pods are replaced."""
    worked_out: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What plans by this very spec, labels and annotations have worked out, for the next one: never news."""
    auth_secret_made: bool = False
    """The Secret with its token was made or found by this process."""
    rivals: tuple[Pod, ...] = ()
    """Heads of an earlier cluster of this name, or of nobody any more, that our labels may lead to."""
    other_operator: str | None = None
    """The Lease of another operator of this API that is alive in our scope, as `namespace/name`."""
    scaling: ScalingView = field(default_factory=ScalingView)
    pod_settings: PodSettings = DEFAULT
    """What the administrator has set for pods, and what the namespace was seen to ask of them."""
    recorded: RayClusterStatus = field(init=False, compare=False, repr=False)
    """What the status of `cluster` says."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "recorded", recorded(self.cluster.status))

    def once(self, what: str, spec: RayClusterSpec, made_for: object, make: Callable[[], T]) -> T:
        """What `make` gives for this spec and what else it was made for: worked out anew for another."""
        known = self.worked_out.get(what)
        if known is None or known[0] is not spec or known[1] != made_for:
            known = self.worked_out[what] = spec, made_for, make()
        made: T = known[2]
        return made
