"""Every metric of jobs: of each one, and of all together."""

from typing import Final

from rayfleet.fleet.jobs import JOB_SECONDS
from rayfleet.telemetry.metrics.definition import Section, counter, gauge, histogram

JOB_INFO: Final = gauge("kuberay_job_info", "A RayJob that exists; always 1.", *("name", "namespace", "uid"))
JOB_DEPLOYMENT_STATUS: Final = gauge(
    "kuberay_job_deployment_status",
    "Always 1; deployment_status is status.jobDeploymentStatus, and empty for a job that has not begun.",
    *("name", "namespace", "uid", "deployment_status"),
)
JOB_EXECUTION_DURATION: Final = gauge(
    "kuberay_job_execution_duration_seconds",
    "How long the last attempt that has ended took, from its status.startTime, in whole seconds. "
    "job_deployment_status is what it led to: Complete, Failed or Retrying; retry_count is how many attempts "
    "had failed before it. Absent before the first attempt has ended; that of an attempt that was retried is "
    "forgotten when another replica leads.",
    *("name", "namespace", "uid", "job_deployment_status", "retry_count"),
)
JOB_WAITING: Final = gauge(
    "rayfleet_job_waiting_seconds",
    "How long a job waits to be run by Ray, since its attempt began or the last one failed; absent while Ray "
    "runs it, and while it is suspended or has ended. reason is what it waits for: a cluster that does not "
    "exist (NoCluster); pods of a group that cannot be created (QuotaExceeded, LimitRange, FailedCreate, "
    "TemplateRefused, Ceiling); else the reason of the cluster's condition Ready; its user, who submits it "
    "(User); the dashboard (Submission, or DashboardUnreachable); the start of its driver (Driver); or "
    "the next attempt (NextAttempt). cluster is that of the attempt.",
    *("name", "namespace", "cluster", "reason"),
)
JOB_DASHBOARD_UNREACHABLE: Final = gauge(
    "rayfleet_job_dashboard_unreachable_seconds",
    "How long the dashboard of a running job has not answered "
    "(since status.jobStatusCheckFailureStartTime); absent while it answers.",
    *("name", "namespace"),
)
JOB_GPUS_HELD: Final = gauge(
    "rayfleet_job_gpus_held",
    "GPUs, and accelerators of other kinds, that the cluster of a job that has ended still holds. reason is "
    "that of the condition ResourcesHeld: NoRule (nothing will delete the cluster), Kept (until a rule is "
    "due), KeptByRule (for good, as a rule says) or Going. Absent once the cluster is gone.",
    *("name", "namespace", "reason"),
)
JOB_HELD_GPU_SECONDS: Final = gauge(
    "rayfleet_job_held_gpu_seconds",
    "These GPUs times the seconds since the end of the job: what keeping the cluster has cost so far.",
    *("name", "namespace", "reason"),
)

ATTEMPTS: Final = counter(
    "rayfleet_job_attempts_total",
    "Attempts of jobs that have ended. Results: succeeded; stopped (by somebody, in Ray); suspended (by its "
    "user, or a queue such as Kueue); retried (failed, and another one follows); failed (and none does). "
    "category (infrastructure, application, configuration) and cause are those of status.verdict, and None "
    "for attempts that did not fail.",
    *("result", "category", "cause"),
)
PHASES: Final = histogram(
    "rayfleet_job_phase_seconds",
    "How long an attempt waits for others than its own program. Phases: submit (from the moment at which its "
    "head is ready, or from its beginning if that is later, until Ray runs it); record (from its end in Ray "
    "until the RayJob says so); total (from the creation of the RayJob until Ray runs it for the first time; "
    "not if it was suspended). Jobs that users submit themselves count in record only. Times of Kubernetes "
    "are in whole seconds.",
    *JOB_SECONDS,
    labels=("phase",),
)

ALL_JOBS: Final = Section(
    "Jobs in all",
    "Of all jobs together, from the leader, which counts what it has seen happen. Every series is there from "
    "the start.",
    (ATTEMPTS, PHASES),
)
JOBS: Final = Section(
    "Jobs",
    "From the leader only, if it runs jobs (--jobs). They disappear with their object, and there are at most "
    "five per job. The first three have the names, labels and meanings that dashboards for KubeRay use.",
    (
        *(JOB_INFO, JOB_DEPLOYMENT_STATUS, JOB_EXECUTION_DURATION),
        *(JOB_WAITING, JOB_DASHBOARD_UNREACHABLE, JOB_GPUS_HELD, JOB_HELD_GPU_SECONDS),
    ),
)
