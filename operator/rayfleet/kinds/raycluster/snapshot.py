"""The planner's input: the trimmed objects of one cluster at one moment, as frozen values."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, field
from msgspec.structs import force_setattr

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import RayClusterStatus, recorded
from rayfleet.api.violation import Violation
from rayfleet.kinds.raycluster.pod_settings import DEFAULT, PodSettings
from rayfleet.kinds.raycluster.scaling_view import ScalingView
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.kube.objects.services import Service

T = TypeVar("T")
_NOTHING = RayClusterStatus()


class Hold(Struct, frozen=True):
    """A group whose pods could not be created: it is left alone for a time, while the others continue."""

    until: float
    """Unix seconds."""
    words: str
    since: float = 0.0
    """When the first create in a row was refused, Unix seconds."""


class Settling(NamedTuple):
    """A group whose pods repeatedly end soon after they start: its next round waits, and is small."""

    until: float
    """Unix seconds."""
    rounds: int
    """How many rounds have failed in a row."""
    ended: frozenset[str]
    """Uids of the existing pods that ended this way."""


class Snapshot(Struct, frozen=True, eq=False):
    """What one decision is based on. It is equal to itself only: the kind compares what matters."""

    cluster: Root
    spec: RayClusterSpec | None
    """The spec to act on: the stored one if it is valid, else the last valid one, else None."""
    violations: tuple[Violation, ...]
    """What is wrong with the stored spec."""
    pods: tuple[Pod, ...]
    """Pods whose controller is this cluster (by uid), oldest first."""
    services: tuple[Service, ...]
    now: float
    """Unix seconds."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """The API server's message for each refused template, by template hash."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Why nothing can be created in a group whose definition is invalid, by group name."""
    held: Mapping[str, Hold] = field(default_factory=dict)
    """Why nothing is created in a group for now, by group name (`headgroup` for the head)."""
    settling: Mapping[str, Settling] = field(default_factory=dict)
    """How the ended pods of a group are replaced, by group name (`headgroup` for the head)."""
    worked_out: dict[str, Any] = field(default_factory=dict)
    """Results that plans have computed from this spec, labels and annotations, for reuse; never news."""
    auth_secret_made: bool = False
    """This process has created or found the Secret with the cluster's token."""
    rivals: tuple[Pod, ...] = ()
    """Heads of an earlier cluster of this name, or without an owner, that our labels may select."""
    other_operator: str | None = None
    """The live Lease of another operator of this API in our scope, as `namespace/name`."""
    scaling: ScalingView = field(default_factory=ScalingView)
    pod_settings: PodSettings = DEFAULT
    """The administrator's settings for pods, with what the namespace was found to require."""
    recorded: RayClusterStatus = _NOTHING
    """The status of `cluster`, whatever is given."""

    def __post_init__(self) -> None:
        force_setattr(self, "recorded", recorded(self.cluster.status))

    def once(self, what: str, spec: RayClusterSpec, made_for: object, make: Callable[[], T]) -> T:
        """The result of `make`, computed once for this spec and `made_for`."""
        known = self.worked_out.get(what)
        if known is None or known[0] is not spec or known[1] != made_for:
            known = self.worked_out[what] = spec, made_for, make()
        made: T = known[2]
        return made
