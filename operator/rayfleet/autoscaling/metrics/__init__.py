"""Scaling by queues outside Ray: named queries, their answers, and the replicas that they ask for."""

from rayfleet.autoscaling.metrics.promql import PromqlTemplate, parse_template
from rayfleet.autoscaling.metrics.queries import MetricQuery, QueryFailure
from rayfleet.autoscaling.metrics.wishes import (
    HOLD_SECONDS,
    GroupWish,
    MetricFault,
    Reading,
    replica_wishes,
    replicas_for,
)

__all__ = [
    "HOLD_SECONDS",
    "GroupWish",
    "MetricFault",
    "MetricQuery",
    "PromqlTemplate",
    "QueryFailure",
    "Reading",
    "parse_template",
    "replica_wishes",
    "replicas_for",
]
