"""Demand that waits, as the operator has noted it in `status.autoscaler`."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rayfleet.autoscaling import DemandAnswer, words
from rayfleet.kinds.raycluster.status.scaling import noted_resources
from rayfleet.kube.objects.timestamps import unix_seconds
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
        """Whether this entry and a demand of now may be the same."""
        return self.kind == str(answer.kind) and self.resources == as_noted(answer.shape.resources)


def as_noted(resources: Resources) -> tuple[tuple[str, str], ...]:
    """Amounts as the status writes them."""
    return tuple(sorted(noted_resources(resources).items()))


def noted_demand(status: Mapping[str, Any]) -> tuple[Noted, ...]:
    """The entries of a status, whatever its shape."""
    return tuple(_noted(status.get("autoscaler")))


def _noted(autoscaler: object) -> Iterator[Noted]:
    entries = autoscaler.get("unserved") if isinstance(autoscaler, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping):
            resources = entry.get("resources")
            amounts = resources.items() if isinstance(resources, Mapping) else ()
            yield Noted(
                kind=str(entry.get("kind") or ""),
                resources=tuple(sorted((str(name), str(amount)) for name, amount in amounts)),
                reason=str(entry.get("reason") or ""),
                message=str(entry.get("message") or ""),
            )


def noted_faults(status: Mapping[str, Any]) -> tuple[str, ...]:
    """What the operator cannot read or use, by `status.autoscaler.faults`."""
    autoscaler = status.get("autoscaler")
    faults = autoscaler.get("faults") if isinstance(autoscaler, Mapping) else None
    return tuple(map(str, faults)) if isinstance(faults, list) else ()


def noted_time(text: object) -> float:
    """A time of a status, Unix seconds; 0 where there is none."""
    try:
        return unix_seconds(text) if isinstance(text, str) else 0.0
    except ValueError:
        return 0.0
