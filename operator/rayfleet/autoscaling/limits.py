"""Limits on scaling, from the operator's settings and from annotations of namespaces. Plain values.

A ceiling only limits growth: nothing that runs is removed because of it.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

MAX_GPUS: Final = "rayfleet.io/max-gpus"
"""Annotation of a namespace: GPUs of all its Ray clusters together."""
MAX_GPUS_PER_CLUSTER: Final = "rayfleet.io/max-gpus-per-cluster"
"""Annotation of a namespace: GPUs of each of its Ray clusters."""
MAX_NEW_GPUS_PER_MINUTE: Final = "rayfleet.io/max-new-gpus-per-minute"
"""Annotation of a namespace: GPUs that its Ray clusters together may add per minute."""


NOT_READ: Final = "annotations not read yet"
"""The source of the ceiling that stands for those of a namespace until they are known."""


class CeilingScope(StrEnum):
    """What a ceiling counts."""

    CLUSTER = "GPUs of the cluster"
    NAMESPACE = "GPUs in the namespace"
    TOTAL = "GPUs in total"
    NAMESPACE_PER_MINUTE = "new GPUs per minute in the namespace"
    TOTAL_PER_MINUTE = "new GPUs per minute in total"


class Ceiling(Struct, frozen=True):
    """One ceiling, and who set it."""

    scope: CeilingScope
    limit: int
    source: str
    """Where it can be changed."""

    def __str__(self) -> str:
        return f"at most {self.limit} {self.scope} ({self.source})"


class CostCeilings(Struct, frozen=True):
    """The ceilings in the operator's settings; None if not set."""

    gpus_per_cluster: int | None = None
    gpus_per_namespace: int | None = None
    gpus_total: int | None = None
    new_gpus_per_minute: int | None = None


class ScalingLimits(Struct, frozen=True):
    """The limits that apply to every cluster."""

    blocked_seconds: float = 900.0
    """How long a blocked pod counts as coming capacity; a group's `fallback.afterSeconds` overrides it."""
    default_max_pods: int = 100
    """The most pods of a group without `maxReplicas`."""
    ceilings: CostCeilings = field(default_factory=CostCeilings)


class NamespaceCeilings(Struct, frozen=True):
    """The ceilings set by the annotations of one namespace."""

    ceilings: tuple[Ceiling, ...] = ()
    faults: tuple[str, ...] = ()
    """What cannot be read, one sentence each. `ceilings` allows no new GPUs in the namespace meanwhile."""


def ceilings_from_settings(given: CostCeilings) -> tuple[Ceiling, ...]:
    """The ceilings of the operator's settings that are set."""
    settings = (
        (CeilingScope.CLUSTER, given.gpus_per_cluster, "gpusPerCluster"),
        (CeilingScope.NAMESPACE, given.gpus_per_namespace, "gpusPerNamespace"),
        (CeilingScope.TOTAL, given.gpus_total, "gpusTotal"),
        (CeilingScope.TOTAL_PER_MINUTE, given.new_gpus_per_minute, "newGpusPerMinute"),
    )
    return tuple(
        Ceiling(scope, limit, f"ceilings.{name} of the operator's settings")
        for scope, limit, name in settings
        if limit is not None
    )


def ceilings_from_annotations(annotations: Mapping[str, str]) -> NamespaceCeilings:
    """The ceilings that the annotations of a namespace set.

    A value that is not a whole number counts as 0: a typo must not lift a spending limit.
    """
    read = tuple(_read(annotations))
    return NamespaceCeilings(
        tuple(ceiling for ceiling, _ in read), tuple(fault for _, fault in read if fault is not None)
    )


def unknown_ceilings(why: str) -> NamespaceCeilings:
    """The ceilings of a namespace that could not be read: no GPUs are added until they are known."""
    fault = (
        f"the annotations of the namespace could not be read ({why}): no GPUs are added until they can be."
    )
    return NamespaceCeilings((Ceiling(CeilingScope.NAMESPACE, 0, NOT_READ),), (fault,))


_ANNOTATIONS: Final = (
    (MAX_GPUS_PER_CLUSTER, CeilingScope.CLUSTER),
    (MAX_GPUS, CeilingScope.NAMESPACE),
    (MAX_NEW_GPUS_PER_MINUTE, CeilingScope.NAMESPACE_PER_MINUTE),
)
_MOST_DIGITS: Final = 9


def _read(annotations: Mapping[str, str]) -> Iterator[tuple[Ceiling, str | None]]:
    for name, scope in _ANNOTATIONS:
        text = annotations.get(name)
        if text is None:
            continue
        source = f"annotation {name} of the namespace"
        if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
            yield Ceiling(scope, int(text), source), None
        else:
            fault = (
                f"the {source} must be a whole number of GPUs such as 8, but is {text[:40]!r}:"
                " no GPUs are added until it is fixed."
            )
            yield Ceiling(scope, 0, source), fault
