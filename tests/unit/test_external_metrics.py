"""Queues outside Ray: from answers to replicas, and unknown answers."""

import pytest

from rayfleet.api.raycluster.autoscaler_options import Metric
from rayfleet.autoscaling.metrics import HOLD_SECONDS, Reading, metric_replicas, replicas_for

NOW = 1_800_000_000.0


def metric(query: str = "q", target: int | str = 5, group: str = "gpu") -> Metric:
    return Metric(type="Prometheus", query=query, target_value=target, worker_group=group)


@pytest.mark.parametrize(
    ("value", "target", "replicas"),
    [
        (0.0, 5, 0),
        (0.1, 5, 1),
        (5.0, 5, 1),
        (5.1, 5, 2),
        (1e-10, 5, 1),
        (0.1 + 0.2, "100m", 3),
        (0.7 * 3, "700m", 3),
        (3000.0, "1k", 3),
        (2.0 * 1024**3, "1Gi", 2),
        (1e308, "1e-900", 2**31 - 1),
        (5e-324, "1e900", 1),
        (1e300, 1, 2**31 - 1),
    ],
)
def test_replicas_are_the_value_over_the_target_rounded_up(
    value: float, target: int | str, replicas: int
) -> None:
    """Float noise in the last digit adds no replica, and nothing overflows."""
    assert replicas_for(value, target) == replicas


def test_the_larger_of_two_metrics_of_a_group_counts() -> None:
    """As with several metrics of a HorizontalPodAutoscaler."""
    readings = {"a": Reading(11.0, NOW), "b": Reading(2.0, NOW)}
    (asked,) = metric_replicas([metric("a", 5), metric("b", 1)], readings, {"a", "b"}, NOW)
    assert (asked.group, asked.replicas, asked.known, asked.faults) == ("gpu", 3, True, ())


def test_one_query_may_scale_two_groups() -> None:
    """Each group has its own target."""
    metrics = [metric("a", 5, "gpu"), metric("a", 10, "cpu")]
    asked = metric_replicas(metrics, {"a": Reading(20.0, NOW)}, {"a"}, NOW)
    assert [(each.group, each.replicas) for each in asked] == [("gpu", 4), ("cpu", 2)]


def test_a_query_that_fails_keeps_its_answer_for_a_while() -> None:
    """It says since when and why."""
    reading = Reading(20.0, NOW - 10, NOW - 5, "the query 'a' failed: HTTP 503")
    (asked,) = metric_replicas([metric("a")], {"a": reading}, {"a"}, NOW)
    assert (asked.replicas, asked.known) == (4, True)
    assert str(asked.faults[0]) == (
        "the query 'a' failed: HTTP 503, since 2027-01-15T07:59:55Z; the last answer is still used."
    )


def test_a_query_that_goes_on_failing_is_unknown() -> None:
    """Other queries still scale up; the group does not scale down."""
    old = Reading(100.0, NOW - HOLD_SECONDS - 1, NOW - HOLD_SECONDS, "the query 'a' failed: HTTP 503")
    metrics, defined = [metric("a"), metric("b")], {"a", "b"}
    (asked,) = metric_replicas(metrics, {"a": old, "b": Reading(7.0, NOW)}, defined, NOW)
    assert (asked.replicas, asked.known) == (2, False)
    assert str(asked.faults[0]).endswith("the group does not shrink.")
    (alone,) = metric_replicas(metrics[:1], {"a": old}, defined, NOW)
    assert (alone.replicas, alone.known) == (None, False)


def test_before_the_first_answer_nothing_is_known() -> None:
    """Unknown is not zero."""
    (asked,) = metric_replicas([metric("a")], {}, {"a"}, NOW)
    assert (asked.replicas, asked.known) == (None, False)
    assert str(asked.faults[0]) == "the query 'a' has no answer yet; the group does not shrink."


def test_an_answer_that_nobody_renews_is_trusted_only_for_a_while() -> None:
    """That holds even without a recorded failure."""
    reading = Reading(20.0, NOW - HOLD_SECONDS - 1)
    (asked,) = metric_replicas([metric("a")], {"a": reading}, {"a"}, NOW)
    assert (asked.replicas, asked.known) == (None, False)


def test_an_undefined_query_is_named_with_the_defined_ones() -> None:
    """An earlier answer under its name does not count."""
    (asked,) = metric_replicas([metric("x")], {"x": Reading(20.0, NOW)}, {"b", "a"}, NOW)
    assert (asked.replicas, asked.known) == (None, False)
    assert str(asked.faults[0]) == (
        "the query 'x' is not in the operator's settings, which define: a, b; the group does not shrink."
    )
