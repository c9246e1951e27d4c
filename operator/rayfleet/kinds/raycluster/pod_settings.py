"""What an administrator sets for the pods of all clusters, and what a namespace asks of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from rayfleet.api.quantity import format_quantity, parse_quantity

WAIT_CONTAINER: Final = "wait-gcs-ready"
"""The init container of a worker that waits for the head."""

DEFAULT_CLUSTER_DOMAIN: Final = "cluster.local"

LARGEST: Final = {"cpu": Decimal(4), "memory": Decimal(8 * 1024**3)}
"""What the wait container is made at most, whatever a refusal says is the least."""
_LEAST: Final = re.compile(
    r"minimum (cpu|memory) usage per Container is ([0-9][0-9A-Za-z.+-]{0,20}),"
    r" but (?:request|limit) is ([0-9][0-9A-Za-z.+-]{0,20})"
)
_LONGEST_REFUSAL: Final = 4096


@dataclass(frozen=True, slots=True)
class WaitSize:
    """What the wait container requests, and may use at most."""

    cpu: str = "50m"
    memory: str = "32Mi"

    def amounts(self) -> dict[str, str]:
        """As a container's resources have them."""
        return {"cpu": self.cpu, "memory": self.memory}

    def at_least(self, least: "WaitSize | None") -> "WaitSize":
        """This size, or `least` where that is more."""
        if least is None:
            return self
        return WaitSize(_larger(self.cpu, least.cpu), _larger(self.memory, least.memory))


@dataclass(frozen=True, slots=True)
class PodSettings:
    """Settings that go into bodies of pods. A change of them is for new pods alone."""

    cluster_domain: str = DEFAULT_CLUSTER_DOMAIN
    """The DNS domain of the cluster's Services; empty for names relative to it."""
    waits: bool = True
    """Workers wait for the head in an init container."""
    wait: WaitSize = field(default_factory=WaitSize)


DEFAULT: Final = PodSettings()


def least_wait(body: Mapping[str, Any], refusal: str) -> WaitSize | None:
    """How large the wait container of a refused pod must be, by the words of a LimitRange.

    None where they are about something else, or ask for more than it will ever be given. The words come from
    the namespace, so they are read in part, and believed within bounds.
    """
    sent = _sent(body)
    asked = dict(sent)
    for resource, least, found in _LEAST.findall(refusal[:_LONGEST_REFUSAL]):
        amount, was = _amount(least), _amount(found)
        if resource in sent and was == _amount(sent[resource]) and was < amount <= LARGEST[resource]:
            asked[resource] = format_quantity(amount, binary=resource == "memory")
    return WaitSize(**asked) if asked != sent else None


def _sent(body: Mapping[str, Any]) -> dict[str, str]:
    listed = _object(body.get("spec")).get("initContainers")
    for container in map(_object, listed if isinstance(listed, list | tuple) else ()):
        if container.get("name") == WAIT_CONTAINER:
            requests = _object(_object(container.get("resources")).get("requests"))
            return {name: str(requests[name]) for name in LARGEST if name in requests}
    return {}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _larger(one: str, other: str) -> str:
    return one if _amount(one) >= _amount(other) else other


def _amount(text: str) -> Decimal:
    """The number there; 0, which is less than any, for what is none."""
    try:
        return parse_quantity(text)
    except ValueError:
        return Decimal(0)
