"""Scaling by queues outside Ray: named queries, their answers, and the replicas that they ask for."""

from rayfleet.autoscaling.metrics.promql import PromqlTemplate, parse_template
from rayfleet.autoscaling.metrics.queries import MetricQuery, QueryFailure
from rayfleet.autoscaling.metrics.replicas import (
    HOLD_SECONDS,
    MetricFault,
    MetricReplicas,
    Reading,
    metric_replicas,
    replicas_for,
)

__all__ = [
    "HOLD_SECONDS",
    "MetricFault",
    "MetricQuery",
    "MetricReplicas",
    "PromqlTemplate",
    "QueryFailure",
    "Reading",
    "metric_replicas",
    "parse_template",
    "replicas_for",
]
