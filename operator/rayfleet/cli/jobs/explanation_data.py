"""An explanation of a job for programs: plain data, with times as Kubernetes writes them."""

from typing import Any

from rayfleet.cli.explanation_data import conditions_data, events_data, explanation_data
from rayfleet.engine.conditions import rfc3339
from rayfleet.explain.job_explanation import Failure, JobExplanation


def job_explanation_data(of: JobExplanation) -> dict[str, Any]:
    """The whole explanation; empty lists are included."""
    return {
        "namespace": of.namespace,
        "job": of.name,
        "time": rfc3339(of.now),
        "state": of.state,
        "jobStatus": of.job_status,
        "jobId": of.job_id,
        "clusterName": of.cluster_name,
        "attempt": of.attempt,
        "failed": of.failed,
        "backoffLimit": of.backoff_limit,
        "startTime": _time(of.started),
        "endTime": _time(of.ended),
        "reason": of.reason,
        "message": of.message,
        "waitsFor": [
            {"kind": str(one.kind), "message": one.words, "since": _time(one.since)} for one in of.waits
        ],
        "next": [{"inSeconds": one.seconds, "message": one.words} for one in of.steps],
        "verdict": _verdict(of.failure),
        "conditions": conditions_data(of.conditions),
        "events": events_data(of.events),
        "cluster": None if of.cluster is None else explanation_data(of.cluster),
        "notRead": list(of.missing),
    }


def _verdict(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "category": failure.category,
        "cause": failure.cause,
        "evidence": list(failure.evidence),
        "attempt": failure.attempt,
        "time": _time(failure.time),
    }


def _time(seconds: float) -> str | None:
    return rfc3339(seconds) if seconds else None
