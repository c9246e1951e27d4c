"""How far scaling may go, as the operator's settings and the annotations of namespaces say. Plain values.

A ceiling holds back growth only: nothing that runs is taken away because of one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_GPUS: Final = "rayfleet.io/max-gpus"
"""Annotation of a namespace: GPUs of all its Ray clusters together."""
MAX_GPUS_PER_CLUSTER: Final = "rayfleet.io/max-gpus-per-cluster"
"""Annotation of a namespace: GPUs of each of its Ray clusters."""
MAX_NEW_GPUS_PER_MINUTE: Final = "rayfleet.io/max-new-gpus-per-minute"
"""Annotation of a namespace: GPUs that its Ray clusters together may add within a minute."""


class CeilingScope(StrEnum):
    """What a ceiling counts."""

    CLUSTER = "GPUs of the cluster"
    NAMESPACE = "GPUs in the namespace"
    TOTAL = "GPUs in total"
    NAMESPACE_PER_MINUTE = "new GPUs per minute in the namespace"
    TOTAL_PER_MINUTE = "new GPUs per minute in total"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """One ceiling, and who set it."""

    scope: CeilingScope
    limit: int
    source: str
    """Where to change it, in words."""

    def __str__(self) -> str:
        return f"at most {self.limit} {self.scope} ({self.source})"


@dataclass(frozen=True, slots=True)
class CostCeilings:
    """The ceilings of the operator's settings; none where unset."""

    gpus_per_cluster: int | None = None
    gpus_per_namespace: int | None = None
    gpus_total: int | None = None
    new_gpus_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class ScalingLimits:
    """The limits that hold for every cluster."""

    blocked_seconds: float = 900.0
    """How long a blocked pod counts as capacity on its way; a group's `fallback.afterSeconds` goes before."""
    default_max_pods: int = 100
    """Pods of a group that leaves `maxReplicas` open."""
    ceilings: CostCeilings = field(default_factory=CostCeilings)


@dataclass(frozen=True, slots=True)
class NamespaceCeilings:
    """What the annotations of one namespace say."""

    ceilings: tuple[Ceiling, ...] = ()
    faults: tuple[str, ...] = ()
    """What cannot be read, a sentence each. No GPU is added in the namespace meanwhile: see `ceilings`."""


def ceilings_from_settings(given: CostCeilings) -> tuple[Ceiling, ...]:
    """The ceilings of the operator's settings that are set."""
    found = (
        (CeilingScope.CLUSTER, given.gpus_per_cluster, "gpusPerCluster"),
        (CeilingScope.NAMESPACE, given.gpus_per_namespace, "gpusPerNamespace"),
        (CeilingScope.TOTAL, given.gpus_total, "gpusTotal"),
        (CeilingScope.TOTAL_PER_MINUTE, given.new_gpus_per_minute, "newGpusPerMinute"),
    )
    return tuple(
        Ceiling(scope, limit, f"ceilings.{name} of the operator's settings")
        for scope, limit, name in found
        if limit is not None
    )


def ceilings_from_annotations(annotations: Mapping[str, str]) -> NamespaceCeilings:
    """The ceilings that the annotations of a namespace set.

    One that is no whole number counts as 0: a slip of the pen must not remove the limit on what is spent.
    """
    read = tuple(_read(annotations))
    return NamespaceCeilings(
        tuple(ceiling for ceiling, _ in read), tuple(fault for _, fault in read if fault is not None)
    )


def unknown_ceilings(why: str) -> NamespaceCeilings:
    """Those of a namespace that could not be read: nothing is added until they are known."""
    fault = f"the annotations of the namespace are not known ({why}), so no GPU is added until they are."
    return NamespaceCeilings((Ceiling(CeilingScope.NAMESPACE, 0, "annotations not read yet"),), (fault,))


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
                " no GPU is added until it is mended."
            )
            yield Ceiling(scope, 0, source), fault
