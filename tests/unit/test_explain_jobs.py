"""What a job waits for, what comes next, whose fault a failure was: from two statuses, not from sentences."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.rayjob import RayJobSpec, parse_spec
from rayfleet.cli.jobs.explanation_data import job_explanation_data
from rayfleet.cli.jobs.explanation_text import job_explanation_text
from rayfleet.engine.conditions import rfc3339
from rayfleet.explain.explanation import Explanation
from rayfleet.explain.job_explanation import JobExplanation, job_explanation_of
from rayfleet.explain.job_sources import JobSources
from rayfleet.explain.job_waits import WaitKind
from rayfleet.explain.sources import EventNote
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import root_from_object
from support.builders import NOW, cluster, head
from support.demand_cases import tasks
from support.explanations import SPEC, explained, gpu_worker, ray, recorded
from support.job_terminal import CLUSTER, JOB, JOB_ID, stored_job


def at(seconds: float) -> str:
    """A time so many seconds before now."""
    return rfc3339(NOW - seconds)


def job_explained(
    status: dict[str, Any] | None = None,
    of_cluster: Explanation | None = None,
    age: float = 300.0,
    trouble: str = "",
    **fields: Any,
) -> JobExplanation:
    stored = stored_job(status=status, **fields)
    stored["metadata"]["creationTimestamp"] = at(age)
    job = root_from_object(stored, "RayJob")
    parsed = parse_spec(job.spec)
    spec = parsed if isinstance(parsed, RayJobSpec) else None
    return job_explanation_of(JobSources(job, spec, NOW, of_cluster, trouble))


def initializing(**fields: Any) -> dict[str, Any]:
    return {"jobDeploymentStatus": "Initializing", "rayClusterName": CLUSTER, "startTime": at(120), **fields}


def running(**fields: Any) -> dict[str, Any]:
    return {**initializing(jobId=JOB_ID), "jobDeploymentStatus": "Running", **fields}


def in_ray(**fields: Any) -> dict[str, Any]:
    return running(**{"jobStatus": "RUNNING", "submission": {"acceptedTime": at(60)}, **fields})


STUCK = {
    "ready": False,
    "phase": "Pending",
    "unready_reason": "Unschedulable",
    "unready_words": "no GPU",
    "readiness_since": NOW - 30,
}


def unready(number: int) -> Pod:
    """A worker that no node has room for."""
    return gpu_worker(number, **STUCK)


def kinds(of: JobExplanation) -> list[WaitKind]:
    return [wait.kind for wait in of.waits]


def words(of: JobExplanation) -> str:
    return " ".join(job_explanation_text(of).split())


def test_a_new_job_waits_for_the_operator_only_if_that_is_late() -> None:
    assert kinds(job_explained(age=10)) == []
    late = job_explained(age=31)
    assert kinds(late) == [WaitKind.OPERATOR]
    assert "does it run, and does it watch this namespace?" in words(late)
    assert [step.words for step in late.steps] == ["the operator takes it up"]


def test_a_job_waits_for_a_quota() -> None:
    """The recorded reason decides, and not the API server's sentence."""
    groups = recorded(1)
    held = {"reason": "QuotaExceeded", "message": "exceeded quota: q", "since": at(90)}
    groups["workerGroups"][0] |= held
    found = job_explained(initializing(), explained(None, status=groups))
    assert kinds(found) == [WaitKind.QUOTA]
    assert "quota 90 s pods of group gpu cannot be created: QuotaExceeded: exceeded quota: q" in words(found)


def test_a_job_that_starts_with_its_head_does_not_wait_for_workers() -> None:
    """A cluster that follows its queue has none before the job asks for them."""
    pod = unready(1)
    scaled = explained(None, pod)
    assert WaitKind.PODS not in kinds(job_explained(initializing(), scaled))
    assert kinds(job_explained(initializing(), scaled, startPolicy="AllWorkers")) == [WaitKind.PODS]


def test_equal_pods_are_one_thing_to_wait_for() -> None:
    pods = [unready(number) for number in (1, 2)]
    found = job_explained(initializing(), explained(None, *pods), startPolicy="AllWorkers")
    assert [wait.words for wait in found.waits] == ["2 pods of group gpu: Unschedulable: no GPU"]


def test_a_job_waits_for_its_head() -> None:
    pod = head(cluster(SPEC), epoch=1, **STUCK)
    found = job_explained(initializing(), explained(None, pod))
    assert kinds(found) == [WaitKind.HEAD]
    assert f"{pod.name}: Unschedulable: no GPU" in words(found)
    assert found.steps[0].words == "the job is submitted once its head is ready"


def test_a_head_that_is_refused_says_why() -> None:
    """And not only that there is none."""
    since = {"lastTransitionTime": at(40)}
    absent = {
        "type": "HeadPodReady",
        "status": "False",
        "reason": "HeadPodNotFound",
        "message": "none",
        **since,
    }
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreateHeadPod",
        "message": "exceeded quota: q",
        **since,
    }
    found = job_explained(initializing(), explained(None, status=recorded(0, conditions=[absent, refused])))
    assert [(wait.kind, wait.words) for wait in found.waits] == [
        (WaitKind.HEAD, "FailedCreateHeadPod: exceeded quota: q")
    ]
    found = job_explained(initializing(), explained(None, status=recorded(0, conditions=[absent])))
    assert [wait.words for wait in found.waits] == ["HeadPodNotFound: none"]


def test_a_cluster_that_does_not_exist_is_waited_for() -> None:
    found = job_explained(initializing(), trouble="there is no RayCluster shared in namespace team-a")
    assert kinds(found) == [WaitKind.CLUSTER]
    assert "Not known: the cluster: there is no RayCluster shared" in words(found)


WHO = [
    ("HTTPMode", f"the operator is to submit it as {JOB_ID}"),
    ("K8sJobMode", f"the Kubernetes Job {JOB} is to submit it (see its pod)"),
    ("SidecarMode", "the container ray-job-submitter of the head is to submit it"),
    ("InteractiveMode", f"its user is to submit it as {JOB_ID}"),
]


@pytest.mark.parametrize(("mode", "who"), WHO)
def test_a_submission_names_who_submits(mode: str, who: str) -> None:
    found = job_explained(running(submission={"sentTime": at(20)}), submissionMode=mode)
    (wait,) = found.waits
    assert (wait.kind, wait.words, wait.since) == (WaitKind.SUBMISSION, who, NOW - 20)


def test_a_silent_dashboard_is_waited_for() -> None:
    found = job_explained(in_ray(jobStatusCheckFailureStartTime=at(40)))
    assert kinds(found) == [WaitKind.RAY]
    assert found.waits[0].since == NOW - 40


def test_a_driver_that_does_not_start_is_waited_for() -> None:
    assert kinds(job_explained(in_ray(jobStatus="PENDING"))) == [WaitKind.RAY]
    assert kinds(job_explained(in_ray())) == []


def test_work_that_waits_in_the_queue_is_named_and_shown() -> None:
    """The cluster's own explanation follows."""
    found = job_explained(in_ray(), explained(ray(tasks(1, GPU=8))))
    assert kinds(found) == [WaitKind.QUEUE]
    assert "RayCluster ml/demo" in words(found)
    assert "1 waits: 8 GPUs on one node: the largest group has 1" in words(found)


@pytest.mark.parametrize(
    ("status", "kind", "step"),
    [
        ({"jobDeploymentStatus": "Suspended"}, WaitKind.USER, "it begins when spec.suspend is false"),
        ({"jobDeploymentStatus": "Waiting"}, WaitKind.USER, "the job runs once its user has submitted it"),
        ({"jobDeploymentStatus": "ValidationFailed"}, WaitKind.USER, "nothing, until its spec is mended"),
        (
            {"jobDeploymentStatus": "Retrying", "attempt": 1, "nextAttemptTime": at(-30)},
            WaitKind.TIME,
            "attempt 2 begins",
        ),
    ],
)
def test_each_state_has_a_next_step(status: dict[str, Any], kind: WaitKind, step: str) -> None:
    found = job_explained(status)
    assert kinds(found) == [kind]
    assert found.steps[0].words == step


def test_a_retry_waits_for_what_is_left_of_the_last_attempt() -> None:
    status = {"jobDeploymentStatus": "Retrying", "rayClusterName": CLUSTER, "attempt": 1}
    found = job_explained(status, explained(None))
    assert kinds(found) == [WaitKind.CLUSTER]
    assert found.waits[0].words == "RayCluster demo of the last attempt has to go first"


def test_deadlines_are_next_steps() -> None:
    found = job_explained(initializing(), activeDeadlineSeconds=600, preRunningDeadlineSeconds=150)
    assert [(step.words, step.seconds) for step in found.steps[1:]] == [
        ("it fails: activeDeadlineSeconds is 600", 480.0),
        ("it fails, unless it runs: preRunningDeadlineSeconds is 150", 30.0),
    ]


ENDED = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "startTime": at(120), "endTime": at(20)}
HELD = {"type": "ResourcesHeld", "status": "True", "reason": "Kept", "message": "holds 1 GPU"}


def test_after_the_end_the_rules_are_next() -> None:
    after: dict[str, Any] = {"shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": 60}
    found = job_explained({**ENDED, "conditions": [HELD]}, **after)
    assert [(step.words, step.seconds) for step in found.steps] == [
        ("its cluster is deleted (shutdownAfterJobFinishes)", 40.0)
    ]
    gone = job_explained({**ENDED, "conditions": [HELD | {"status": "False"}]}, **after)
    assert gone.steps == ()
    assert "Next Nothing." in words(gone)
    assert kinds(gone) == []


def test_a_failure_is_told_with_its_evidence() -> None:
    verdict = {
        "category": "application",
        "cause": "DriverExited",
        "evidence": ["the driver's exit code is 3", "\x1b[2Jtraceback"],
        "attempt": 2,
        "time": at(20),
    }
    found = job_explained({**ENDED, "verdict": verdict, "attempt": 2, "failed": 2}, backoffLimit=1)
    said = words(found)
    assert "Attempt 2, 2 failed; backoffLimit is 1" in said
    assert "attempt 2 failed 20 s ago: DriverExited, a fault of the program" in said
    assert "- the driver's exit code is 3" in said
    assert "\x1b" not in said


def test_the_data_say_the_same() -> None:
    """It is JSON, with times as Kubernetes writes them."""
    verdict = {"category": "infrastructure", "cause": "HeadLost", "evidence": ["gone"], "attempt": 1}
    found = job_explained({**initializing(), "verdict": verdict, "attempt": 2}, explained(None))
    found = replace(found, events=(EventNote(NOW, "RayJobRetrying", "again", True, 1),))
    data = json.loads(json.dumps(job_explanation_data(found)))
    assert (data["job"], data["state"], data["startTime"]) == (JOB, "Initializing", at(120))
    assert data["verdict"] | {"time": None} == verdict | {"time": None}
    assert [wait["kind"] for wait in data["waitsFor"]] == ["cluster"]
    assert data["cluster"]["cluster"] == "demo"
    assert data["events"][0]["reason"] == "RayJobRetrying"


JUNK = [{"jobDeploymentStatus": 3}, {"verdict": "x", "conditions": {}}, {"startTime": "x"}]


@pytest.mark.parametrize("junk", JUNK)
def test_a_status_that_somebody_else_has_written_is_no_error(junk: dict[str, Any]) -> None:
    assert words(job_explained(junk))
