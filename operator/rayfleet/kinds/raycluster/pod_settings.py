"""What an administrator sets for the pods of all clusters, and what a namespace requires of them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, field

from rayfleet.api.quantity import format_quantity, parse_quantity

WAIT_CONTAINER: Final = "wait-gcs-ready"
"""The init container of a worker that waits for the head."""

DEFAULT_CLUSTER_DOMAIN: Final = "cluster.local"

LARGEST: Final = {"cpu": Decimal(4), "memory": Decimal(8 * 1024**3)}
"""The largest wait container, whatever minimum a refusal names."""
_LEAST: Final = re.compile(
    r"minimum (cpu|memory) usage per Container is ([0-9][0-9A-Za-z.+-]{0,20}),"
    r" but (?:request|limit) is ([0-9][0-9A-Za-z.+-]{0,20})"
)
_LONGEST_REFUSAL: Final = 4096


class WaitSize(Struct, frozen=True):
    """Requests and limits of the wait container."""

    cpu: str = "50m"
    memory: str = "32Mi"

    def amounts(self) -> dict[str, str]:
        """As in a container's resources."""
        return {"cpu": self.cpu, "memory": self.memory}

    def at_least(self, least: "WaitSize | None") -> "WaitSize":
        """The larger of this size and `least`, per resource."""
        if least is None:
            return self
        return WaitSize(_larger(self.cpu, least.cpu), _larger(self.memory, least.memory))


class PodSettings(Struct, frozen=True):
    """Settings that go into pod bodies. A change applies to new pods only."""

    cluster_domain: str = DEFAULT_CLUSTER_DOMAIN
    """The DNS domain of the cluster's Services; empty for names relative to it."""
    waits: bool = True
    """Workers wait for the head in an init container."""
    wait: WaitSize = field(default_factory=WaitSize)


DEFAULT: Final = PodSettings()


def least_wait(body: Mapping[str, Any], refusal: str) -> WaitSize | None:
    """How large the wait container of a refused pod must be, according to a LimitRange's message.

    None if the message is about something else, or requires more than `LARGEST`. The message comes from the
    namespace, so only part of it is read, and it is believed within bounds.
    """
    sent = _sent(body)
    required = dict(sent)
    for resource, least, quoted in _LEAST.findall(refusal[:_LONGEST_REFUSAL]):
        amount, was = _amount(least), _amount(quoted)
        if resource in sent and was == _amount(sent[resource]) and was < amount <= LARGEST[resource]:
            required[resource] = format_quantity(amount, binary=resource == "memory")
    return WaitSize(**required) if required != sent else None


def _sent(body: Mapping[str, Any]) -> dict[str, str]:
    listed = _object(body.get("spec")).get("initContainers")
    for container in map(_object, listed if isinstance(listed, list | tuple) else ()):
        if container.get("name") == WAIT_CONTAINER:
            requests = _object(_object(container.get("resources")).get("requests"))
            return {name: str(requests[name]) for name in LARGEST if name in requests}
    return {}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _larger(first: str, second: str) -> str:
    return first if _amount(first) >= _amount(second) else second


def _amount(text: str) -> Decimal:
    """The number in `text`, or 0 if it is not a quantity."""
    try:
        return parse_quantity(text)
    except ValueError:
        return Decimal(0)
