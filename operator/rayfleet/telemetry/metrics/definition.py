"""What is said about a metric: its name, its meaning and its labels."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Type(StrEnum):
    """The types of Prometheus metrics that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Definition(Struct, frozen=True):
    """One metric. The unit is in its name, as is Prometheus' convention."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, in the metric's unit."""


class Section(Struct, frozen=True):
    """Metrics about the same thing."""

    title: str
    introduction: str
    definitions: Sequence[Definition]


def counter(name: str, meaning: str, *labels: str) -> Definition:
    """A metric that only increases, and starts at 0 with the process."""
    return Definition(name, Type.COUNTER, meaning, labels)


def gauge(name: str, meaning: str, *labels: str) -> Definition:
    """A metric that is what it is now."""
    return Definition(name, Type.GAUGE, meaning, labels)


def histogram(name: str, meaning: str, *buckets: float, labels: tuple[str, ...] = ()) -> Definition:
    """Counts of how long something takes, by upper bound."""
    return Definition(name, Type.HISTOGRAM, meaning, labels, buckets)
