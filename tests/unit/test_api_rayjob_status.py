"""The status of a RayJob as a model: it trusts nothing that is stored, and reads what it writes."""

import json

import pytest

from crds.status_schema import status_schema
from rayfleet.api.condition import StatusCondition
from rayfleet.api.raycluster.status import HeadStatus, RayClusterStatus
from rayfleet.api.rayjob.kept_rules import KeptRules
from rayfleet.api.rayjob.status import (
    TERMINAL_DEPLOYMENT_STATUSES,
    JobConditionType,
    JobDeploymentStatus,
    JobStatus,
    RayJobInfo,
    RayJobStatus,
    Submission,
    Verdict,
    VerdictCategory,
    recorded,
)
from rayfleet.api.status_model import StatusPart
from support.stored_junk import JUNK, is_sound
from support.structural_schema import faults

MODELS: tuple[type[StatusPart], ...] = (RayJobStatus, RayJobInfo, Submission, Verdict)
FIELDS = [(model, name) for model in MODELS for name in model.fields]
WHEN = "2027-01-15T08:00:00Z"
FULL = RayJobStatus(
    job_id="train-abcde",
    ray_cluster_name="train-abcde",
    dashboard_url="train-abcde-head-svc.default.svc.cluster.local:8265",
    job_status=JobStatus.FAILED,
    job_deployment_status=JobDeploymentStatus.FAILED,
    reason="AppFailed",
    message="exit code 1",
    start_time=WHEN,
    end_time=WHEN,
    succeeded=0,
    failed=2,
    ray_job_info=RayJobInfo(start_time=WHEN, end_time=WHEN),
    ray_cluster_status=RayClusterStatus(state="ready", head=HeadStatus(service_name="train-abcde-head-svc")),
    job_status_check_failure_start_time=WHEN,
    observed_generation=2**40,
    attempt=2,
    submission=Submission(cluster_uid="u", head_epoch=0, sent_time=WHEN, accepted_time=WHEN),
    verdict=Verdict(
        category=VerdictCategory.APPLICATION, cause="ExitCode", evidence=("a", "b"), attempt=2, time=WHEN
    ),
    infrastructure_failures=0,
    next_attempt_time=WHEN,
    submitter_finished_time=WHEN,
    gpu_seconds=12.5,
    gpu_seconds_time=WHEN,
    kept_rules=KeptRules(backoff_limit=2, shutdown_after_job_finishes=True),
    conditions=(
        StatusCondition(
            type="Failed", status="True", last_transition_time=WHEN, reason="ExitCode", message=""
        ),
    ),
)


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda of: getattr(of, "__name__", of))
def test_whatever_is_stored_in_a_field_reads_as_its_type_or_as_absent(
    model: type[StatusPart], name: str
) -> None:
    """It raises nothing: anybody may have written the field."""
    field = model.fields[name]
    for junk in [*JUNK, float("inf"), float("nan"), 1e300]:
        value = getattr(model.recorded({field.wire_name: junk}), name)
        assert is_sound(field.of, value), (junk, value)


@pytest.mark.parametrize("junk", [*JUNK, [FULL.wire], "text"], ids=lambda of: str(of)[:20])
def test_anything_but_an_object_reads_as_an_empty_status(junk: object) -> None:
    status = recorded(junk)
    assert (status.attempt, status.ray_cluster_status.state, status.verdict.cause) == (None, "", "")
    assert not status.holds(JobConditionType.FAILED)


def test_a_written_status_can_be_read_back() -> None:
    """Each field survives JSON, and is as the CRD wants it."""
    read = recorded(json.loads(json.dumps(FULL.wire)))
    assert set(FULL.wire) == set(RayJobStatus.names.values()), "a field is missing here"
    for name in set(RayJobStatus.fields) - {
        "ray_job_info",
        "ray_cluster_status",
        "submission",
        "verdict",
        "kept_rules",
        "conditions",
    }:
        assert getattr(read, name) == getattr(FULL, name)
    assert read.ray_cluster_status.head.service_name == "train-abcde-head-svc"
    assert read.verdict.evidence == ("a", "b")
    assert (read.kept_rules.backoff_limit, read.kept_rules.shutdown_after_job_finishes) == (2, True)
    assert read.holds(JobConditionType.FAILED)
    condition = read.condition(JobConditionType.FAILED)
    assert condition is not None
    assert condition.reason == "ExitCode"
    assert read.condition(JobConditionType.VALID) is None
    assert list(faults(status_schema(RayJobStatus), FULL.wire)) == []


def test_names_on_the_wire_are_those_of_the_api() -> None:
    """Ray's users, Kueue and `kubectl ray` know them."""
    assert set(RayJobStatus.names.values()) >= {
        *("jobId", "rayClusterName", "dashboardURL", "jobStatus", "jobDeploymentStatus", "reason", "message"),
        *("startTime", "endTime", "succeeded", "failed", "rayJobInfo", "rayClusterStatus"),
        *("jobStatusCheckFailureStartTime", "observedGeneration"),
    }


def test_counts_are_there_from_the_first_write() -> None:
    """The API server fills them in, as it does for other programs of this API."""
    fields = status_schema(RayJobStatus)["properties"]
    assert {name for name, field in fields.items() if "default" in field} == {"failed", "succeeded"}


def test_a_status_of_a_newer_ray_can_be_stored_and_read() -> None:
    """It is passed on as it comes."""
    assert recorded({"jobStatus": "PAUSED"}).job_status == "PAUSED"
    assert "enum" not in status_schema(RayJobStatus)["properties"]["jobStatus"]


@pytest.mark.parametrize("status", JobDeploymentStatus)
def test_a_job_has_ended_if_it_is_complete_or_failed(status: JobDeploymentStatus) -> None:
    """A job that is not valid may still become so."""
    assert RayJobStatus(job_deployment_status=status).has_ended == (status in {"Complete", "Failed"})
    assert len(TERMINAL_DEPLOYMENT_STATUSES) == 2
