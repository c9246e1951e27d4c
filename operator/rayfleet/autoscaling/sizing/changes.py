"""What one decision changes about one group."""

from msgspec import Struct, field

from rayfleet.autoscaling.decision import DemandHold, ReplicaCancel, ReplicaDrain
from rayfleet.autoscaling.sizing.census import Census


class Change(Struct):
    """The change of one group while it is worked out: first what is started, then what goes."""

    census: Census
    asked: int = 0
    """Replicas that a floor and the demand ask for, in addition to those present."""
    started: int = 0
    """How many of them are started now."""
    rate: DemandHold | None = None
    """What spreads the growth over time."""
    drains: list[ReplicaDrain] = field(default_factory=list)
    cancels: list[ReplicaCancel] = field(default_factory=list)
    over: list[ReplicaCancel] = field(default_factory=list)
    """Surplus replicas that the census has already taken out."""
    waiting: list[str] = field(default_factory=list)
    """Why something that could go stays for now."""
    recommended: int = 0
    """The size by demand alone, before windows and policies."""
    unneeded: tuple[float, ...] = ()
    shrink_to: int | None = None
    again_in: list[float] = field(default_factory=list)
    """Seconds after which time alone may change something."""

    @property
    def wanted(self) -> int:
        return self.census.present + self.started - len(self.drains) - len(self.cancels)
