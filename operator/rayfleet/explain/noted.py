"""Demand that waits, as the operator recorded it in `status.autoscaler`."""

from typing import NamedTuple

from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.autoscaling import DemandAnswer, words
from rayfleet.kinds.raycluster.status.scaling import noted_resources
from rayfleet.ray.state import Resources


class Noted(NamedTuple):
    """One entry of `status.autoscaler.unserved`."""

    kind: str
    resources: tuple[tuple[str, str], ...]
    reason: str
    message: str

    @property
    def words(self) -> str:
        """`1 CPU and 8 GPUs`, as elsewhere."""
        try:
            return words.resources(tuple((name, float(amount)) for name, amount in self.resources))
        except ValueError:
            return " and ".join(f"{amount} {name}" for name, amount in self.resources)

    def is_about(self, answer: DemandAnswer) -> bool:
        """Whether this entry may be about a current demand."""
        return self.kind == str(answer.kind) and self.resources == as_noted(answer.shape.resources)


def as_noted(resources: Resources) -> tuple[tuple[str, str], ...]:
    """Amounts as the status writes them."""
    return tuple(sorted(noted_resources(resources).items()))


def noted_demand(status: RayClusterStatus) -> tuple[Noted, ...]:
    """The entries of a status."""
    return tuple(
        Noted(entry.kind, tuple(sorted(entry.resources.items())), entry.reason, entry.message)
        for entry in status.autoscaler.unserved
    )
