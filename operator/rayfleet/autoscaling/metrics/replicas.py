"""Turns answers into replicas: what the metrics of one cluster ask for, and what is unknown."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from msgspec import Struct

from rayfleet.api.base import INT32_MAX
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.raycluster.autoscaler_options import Metric

HOLD_SECONDS: Final = 60.0
"""How long the last answer is used if no new one comes."""
_CONTEXT: Final = Context(prec=40, Emin=MIN_EMIN, Emax=MAX_EMAX)
_TOLERANCE: Final = Decimal("1e-9")
"""Relative tolerance of a quotient, for float noise: 0.1 + 0.2 over 0.1 is 3, not 4."""


class Reading(Struct, frozen=True):
    """What is known about one query for one cluster. Times are in Unix seconds."""

    value: float | None = None
    """The last answer, finite and at least 0; None before the first."""
    taken_at: float | None = None
    failing_since: float | None = None
    """When the query began to fail; None while it is answered."""
    error: str = ""
    """Why it fails, a sentence that names the query."""

    def usable(self, now: float) -> bool:
        """Whether the last answer may still be used."""
        return self.value is not None and self.taken_at is not None and now - self.taken_at <= HOLD_SECONDS


class MetricFault(Struct, frozen=True):
    """A metric that has no answer now."""

    query: str
    message: str
    since: float | None
    """Unix seconds; None for what time does not fix, such as an undefined query."""
    held: bool
    """Whether the last answer is still used."""

    def __str__(self) -> str:
        since = (
            f", since {datetime.fromtimestamp(int(self.since), UTC):%Y-%m-%dT%H:%M:%SZ}"
            if self.since is not None
            else ""
        )
        then = "the last answer is still used" if self.held else "the group does not shrink"
        return f"{self.message.rstrip('.')}{since}; {then}."


class MetricReplicas(Struct, frozen=True):
    """What all metrics of one worker group ask for; the larger of this and Ray's demand counts."""

    group: str
    replicas: int | None
    """The most that one of its metrics asks for, not yet within min and max; None if none is known."""
    known: bool
    """Whether every metric of the group is known. If not, `replicas` may be too low: no scale-down."""
    faults: tuple[MetricFault, ...] = ()


def metric_replicas(
    metrics: Sequence[Metric], readings: Mapping[str, Reading], defined: Collection[str], now: float
) -> tuple[MetricReplicas, ...]:
    """What the metrics of one cluster ask for, one value for each group that they name, in their order.

    `readings` are by the query's name; `defined` are the names in the operator's settings.
    """
    groups = dict.fromkeys(metric.worker_group for metric in metrics)
    return tuple(
        _of_group(
            group, [metric for metric in metrics if metric.worker_group == group], readings, defined, now
        )
        for group in groups
    )


def replicas_for(value: float, target: int | str) -> int:
    """The replicas needed for `value` if each takes `target`, rounded up; `target` is a quantity above 0."""
    quotient = _CONTEXT.divide(Decimal(value), parse_quantity(target))
    if quotient >= INT32_MAX:
        return INT32_MAX
    nearest = quotient.to_integral_value(rounding=ROUND_HALF_EVEN)
    near = abs(quotient - nearest) <= _TOLERANCE * max(nearest, Decimal(1)) and nearest > 0
    return max(0, int(nearest if near else quotient.to_integral_value(rounding=ROUND_CEILING)))


def _of_group(
    group: str,
    metrics: Sequence[Metric],
    readings: Mapping[str, Reading],
    defined: Collection[str],
    now: float,
) -> MetricReplicas:
    wanted = [
        replicas_for(reading.value, metric.target_value)
        for metric in metrics
        if metric.query in defined
        and (reading := readings.get(metric.query, Reading())).usable(now)
        and reading.value is not None
    ]
    return MetricReplicas(
        group,
        replicas=max(wanted, default=None),
        known=len(wanted) == len(metrics),
        faults=tuple(_faults(metrics, readings, defined, now)),
    )


def _faults(
    metrics: Sequence[Metric], readings: Mapping[str, Reading], defined: Collection[str], now: float
) -> Iterator[MetricFault]:
    for query in dict.fromkeys(metric.query for metric in metrics):
        reading = readings.get(query, Reading())
        usable = reading.usable(now)
        if query not in defined:
            known = ", ".join(sorted(defined)) or "none"
            message = f"the query '{query}' is not in the operator's settings, which define: {known}"
            yield MetricFault(query, message, None, held=False)
        elif reading.failing_since is not None:
            yield MetricFault(query, reading.error, reading.failing_since, held=usable)
        elif not usable:
            yield MetricFault(query, f"the query '{query}' has no answer yet", reading.taken_at, held=False)
