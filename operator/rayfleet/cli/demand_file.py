"""The file in which a user describes a queue and the running nodes: read strictly, nothing is guessed.

`docs/explain.md` shows every field.
"""

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from rayfleet.api.base import ApiModel, Boolean, Integer
from rayfleet.api.parsing import violations_of
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.violation import Violation
from rayfleet.ray.state import (
    Demand,
    Gang,
    LabelConstraint,
    LabelSelector,
    Locality,
    Resources,
    Shape,
    Strategy,
)

MOST: Final = 1_000_000
"""Equal requests in one entry."""
MOST_NODES: Final = 10_000
_ROOT: Final = "demand"
_NAMES: Final = {"cpu": "CPU", "gpu": "GPU", "tpu": "TPU", "memory": "memory"}
_NO_AMOUNT: Final = "must be an amount of at least 0, such as 2, 0.5 or 4Gi"
_VALUES: Final = re.compile(r"(?P<not>!?)\s*(?:in\((?P<list>[^()]*)\)|(?P<one>[^()!]*))")


def _amount(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_NO_AMOUNT)  # noqa: TRY004 - pydantic reports a ValueError only
    try:
        amount = float(parse_quantity(value))
    except (ValueError, OverflowError):
        amount = -1.0
    if not 0 <= amount < inf:
        raise ValueError(_NO_AMOUNT)
    return amount


def _constraint(value: object) -> tuple[tuple[str, ...], bool]:
    match = _VALUES.fullmatch(value.strip()) if isinstance(value, str) else None
    items = [] if match is None else (match["list"] if match["list"] is not None else match["one"]).split(",")
    values = tuple(sorted({item.strip() for item in items}))
    if match is None or "" in values:
        raise ValueError('must be a value, "!value", "in(a,b)" or "!in(a,b)", as Ray writes it')
    return values, bool(match["not"])


_Amounts: TypeAlias = dict[str, Annotated[float, BeforeValidator(_amount)]]
_Selector: TypeAlias = dict[str, Annotated[tuple[tuple[str, ...], bool], BeforeValidator(_constraint)]]


class _InputModel(ApiModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=False)


class _Requests(_InputModel):
    count: Annotated[Integer, Field(ge=1, le=MOST)] = 1
    resources: _Amounts
    label_selector: _Selector = Field(default_factory=dict)
    fallback: tuple[_Selector, ...] = ()

    def demand(self) -> Demand:
        alternatives = [self.label_selector, *self.fallback] if self.label_selector or self.fallback else []
        return Demand(Shape(_resources(self.resources), tuple(map(_selector, alternatives))), self.count)


class _Gang(_InputModel):
    name: str = ""
    count: Annotated[Integer, Field(ge=1, le=1000)] = 1
    strategy: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] = "PACK"
    locality: str = ""
    """A label; all nodes of the group must have the same value of it."""
    bundles: tuple[_Requests, ...]


class GivenNodes(_InputModel):
    """Equal nodes that run or are starting."""

    group: str
    count: Annotated[Integer, Field(ge=1, le=MOST_NODES)] = 1
    """Replicas, if a replica has several hosts."""
    name: str = ""
    """The prefix of their names."""
    used: _Amounts = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that Ray detected, in addition to those of the group."""
    idle_seconds: Annotated[float, Field(ge=0, strict=True)] = 0.0
    joined: Boolean = True
    """False while the pods are starting."""


class DemandFile(_InputModel):
    """What waits, and which nodes exist."""

    tasks: tuple[_Requests, ...] = ()
    gangs: tuple[_Gang, ...] = ()
    request_resources: tuple[_Requests, ...] = ()
    nodes: tuple[GivenNodes, ...] | None = None
    """None: the cluster has just been created from its manifest."""

    def demands(self) -> tuple[Demand, ...]:
        """Tasks and actors."""
        return tuple(entry.demand() for entry in self.tasks)

    def placement_groups(self) -> tuple[Gang, ...]:
        """One entry per gang, even if several are equal."""
        return tuple(self._gangs())

    def constraints(self) -> tuple[tuple[Demand, ...], ...]:
        """One list, because a later call of `request_resources` replaces an earlier one."""
        demands = tuple(entry.demand() for entry in self.request_resources)
        return (demands,) if demands else ()

    def _gangs(self) -> Iterator[Gang]:
        for number, gang in enumerate(self.gangs, start=1):
            name = gang.name or f"gang-{number}"
            bundles = tuple(bundle.demand() for bundle in gang.bundles)
            for copy in range(1, gang.count + 1):
                yield Gang(
                    name if gang.count == 1 else f"{name}-{copy}",
                    Strategy(gang.strategy),
                    bundles,
                    Locality(gang.locality) if gang.locality else None,
                )


def parse_demand(content: object) -> DemandFile | tuple[Violation, ...]:
    """The queue, or its faults by field."""
    try:
        given = DemandFile.model_validate({} if content is None else content)
    except ValidationError as wrong:
        return tuple(map(_without_root, violations_of(wrong, _ROOT)))
    faults = tuple(_faults(given))
    return faults or given


def _without_root(fault: Violation) -> Violation:
    return Violation(fault.path.removeprefix(_ROOT).lstrip(".") or "the file", fault.message)


def _resources(amounts: Mapping[str, float]) -> Resources:
    return tuple(sorted((name, amount) for name, amount in amounts.items() if amount))


def _selector(given: _Selector) -> LabelSelector:
    return tuple(LabelConstraint(key, values, negated) for key, (values, negated) in sorted(given.items()))


def _faults(given: DemandFile) -> Iterator[Violation]:
    entries = [(f"tasks[{i}]", entry) for i, entry in enumerate(given.tasks)]
    entries += [(f"requestResources[{i}]", entry) for i, entry in enumerate(given.request_resources)]
    for at, gang in enumerate(given.gangs):
        if not gang.bundles:
            yield Violation(
                f"gangs[{at}].bundles", "must have at least one bundle: add it, or remove the gang."
            )
        entries += [(f"gangs[{at}].bundles[{i}]", entry) for i, entry in enumerate(gang.bundles)]
    amounts = [(f"{path}.resources", entry.resources) for path, entry in entries]
    amounts += [(f"nodes[{i}].used", node.used) for i, node in enumerate(given.nodes or ())]
    for path, resources in amounts:
        for name in resources:
            right = _NAMES.get(name.lower(), name)
            if name != right:
                yield Violation(f"{path}.{name}", f"is not one of Ray's resources: write {right}.")
    for index, node in enumerate(given.nodes or ()):
        if node.idle_seconds and any(node.used.values()):
            yield Violation(
                f"nodes[{index}].idleSeconds", "must be left out for nodes in use: only idle nodes leave."
            )
        if not node.joined and (node.idle_seconds or node.used):
            yield Violation(f"nodes[{index}].joined", "must be true for nodes with used or idleSeconds.")
