"""Every metric of the operator itself, and all sections. The reference page is generated from these."""

from typing import Final

from rayfleet.kube.client.calls import HEAD_SECONDS
from rayfleet.telemetry.metrics.cluster_definitions import CLUSTERS, SCALING
from rayfleet.telemetry.metrics.definition import Section, counter, gauge, histogram
from rayfleet.telemetry.metrics.job_definitions import ALL_JOBS, JOBS

BUILD_INFO: Final = gauge("rayfleet_build_info", "What is running; always 1.", "version", "python_version")
LEADER: Final = gauge("rayfleet_leader", "1 for the replica that acts, 0 for a standby.")
OTHER_OPERATOR: Final = gauge(
    "rayfleet_other_operator_alive",
    "1 while another operator of this API holds its Lease; where that operator could act, only clusters "
    "managed by rayfleet.io/operator are acted on meanwhile.",
)
IGNORED_LEASES: Final = gauge(
    "rayfleet_other_operator_leases_ignored",
    "Leases named ray-operator-leader that are held but ignored, as their holder could not act on "
    "RayClusters anywhere; an event in the namespace of each says why.",
)
CRD_OUTDATED: Final = gauge(
    "rayfleet_crd_outdated",
    "1 while a CustomResourceDefinition is older than the operator, or not from rayfleet, so that fields it "
    "lacks are dropped from manifests, else 0; absent if the operator may not read it. /readyz names the "
    "remedy.",
    "crd",
)

RECONCILES: Final = counter(
    "rayfleet_reconcile_total",
    "Passes over a cluster or a job. Results: success; requeue_after (succeeded, and runs again at a set "
    "time); retry (must be repeated, after a backoff); error (a bug: its traceback is in the log).",
    "result",
)
RECONCILE_DURATION: Final = histogram(
    "rayfleet_reconcile_duration_seconds",
    "Duration of a pass, including its API requests.",
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
ACTIVE_WORKERS: Final = gauge(
    "rayfleet_reconcile_active_workers", "Clusters and jobs that are being worked on."
)
MAX_CONCURRENT: Final = gauge(
    "rayfleet_reconcile_max_concurrent",
    "Clusters and jobs that may be worked on at the same time (--reconcile-concurrency).",
)

QUEUE_DEPTH: Final = gauge(
    "rayfleet_workqueue_depth",
    "Clusters and jobs that wait for a pass. A backoff does not count, nor does a standby.",
)
QUEUE_OLDEST_AGE: Final = gauge(
    "rayfleet_workqueue_oldest_age_seconds", "How long the first of them has waited; 0 if none is waiting."
)
QUEUE_LONGEST_RUNNING: Final = gauge(
    "rayfleet_workqueue_longest_running_processor_seconds",
    "How long the longest pass under way has taken so far; 0 if there is none.",
)
QUEUE_RETRIES: Final = counter(
    "rayfleet_workqueue_retries_total", "Passes that must be repeated after a backoff."
)
QUEUE_BACKOFF: Final = gauge(
    "rayfleet_workqueue_backoff_keys",
    "Clusters and jobs whose last pass must be repeated; each is retried on its own.",
)

API_REQUESTS: Final = counter(
    "rayfleet_api_requests_total",
    "Requests to the API server, by verb (get, list, watch, create, review, patch, delete) and HTTP "
    "status code; code 0: no answer. A review asks who may do what.",
    "verb",
    "code",
)
GCS_REQUESTS: Final = counter(
    "rayfleet_gcs_requests_total",
    "Calls to the heads of clusters, by method and outcome: ok; unreachable; deadline (no complete answer in "
    "time); unauthenticated (the token is missing or wrong); unimplemented (not in this version of Ray); "
    "invalid (the answer cannot be believed, or the request was refused); too_large.",
    "method",
    "outcome",
)
GCS_DURATION: Final = histogram(
    "rayfleet_gcs_request_duration_seconds",
    "How long the heads of clusters take to answer, by method, without the time to read the answer; a call "
    "that fails counts with the time until then. GetClusterResourceState is the poll of the queue.",
    *HEAD_SECONDS,
    labels=("method",),
)
DASHBOARD_REQUESTS: Final = counter(
    "rayfleet_dashboard_requests_total",
    "Calls to the dashboards of heads, by method (GetJob, ListJobs, SubmitJob, StopJob) and outcome: ok; "
    "unknown_job (Ray has no such job, as before its submission); unreachable; timeout; server (Ray could "
    "not answer: it is starting, or overloaded); refused; unauthenticated; redirected, unsupported, not_json "
    "(another program listens there); invalid; too_large.",
    "method",
    "outcome",
)
DASHBOARD_DURATION: Final = histogram(
    "rayfleet_dashboard_request_duration_seconds",
    "How long the dashboards of heads take to answer, by method; a call that fails counts with the time "
    "until then. GetJob and ListJobs are the poll of jobs.",
    *HEAD_SECONDS,
    labels=("method",),
)
INFORMER_AGE: Final = gauge(
    "rayfleet_informer_age_seconds",
    "Time since the last event, bookmark or list of a kind. The API server sends a bookmark each minute.",
    "kind",
    "scope",
)
INFORMER_SYNCED: Final = gauge(
    "rayfleet_informer_synced", "1 once a kind has been listed, else 0.", "kind", "scope"
)
INFORMER_RELISTS: Final = counter(
    "rayfleet_informer_relists_total", "Lists of a kind after the first.", "kind", "scope"
)
INFORMER_GAPS: Final = counter(
    "rayfleet_informer_gaps_total",
    "How many times the watch of a kind may have missed events; a list makes up for each.",
    "kind",
    "scope",
)
NAMESPACE_UNAVAILABLE: Final = gauge(
    "rayfleet_namespace_unavailable",
    "With a list of namespaces to watch: 1 for a namespace that cannot be read, so that nothing is done "
    "there, else 0; /readyz says why.",
    "scope",
)
LOOP_LAG: Final = histogram(
    "rayfleet_event_loop_lag_seconds",
    "How late a timer fires, measured twice a second: what anything in the process may have to wait.",
    *(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

PODS_CREATED: Final = counter(
    "rayfleet_pods_created_total",
    "Pods created. Reasons: missing (fewer than desired); replacement (a new head for one that is gone).",
    "node_type",
    "reason",
)
PODS_DELETED: Final = counter(
    "rayfleet_pods_deleted_total",
    "Pods deleted. Reasons: ended (its Ray container has, or it was evicted); surplus (more than desired); "
    "requested (named in workersToDelete); group_removed; superseded (a head other than the current one); "
    "cluster_deleted (as KubeRay's finalizer holds the cluster).",
    "node_type",
    "reason",
)

OPERATOR: Final = Section(
    "The operator",
    "From each replica, about itself. A standby shows no work, but its informers follow the API server like "
    "the leader's, so its caches are warm.",
    (
        *(BUILD_INFO, LEADER, OTHER_OPERATOR, IGNORED_LEASES, CRD_OUTDATED),
        *(RECONCILES, RECONCILE_DURATION, ACTIVE_WORKERS, MAX_CONCURRENT),
        *(QUEUE_DEPTH, QUEUE_OLDEST_AGE, QUEUE_LONGEST_RUNNING, QUEUE_RETRIES, QUEUE_BACKOFF),
        *(
            API_REQUESTS,
            GCS_REQUESTS,
            GCS_DURATION,
            DASHBOARD_REQUESTS,
            DASHBOARD_DURATION,
            INFORMER_AGE,
            INFORMER_SYNCED,
            INFORMER_RELISTS,
            INFORMER_GAPS,
            NAMESPACE_UNAVAILABLE,
            LOOP_LAG,
        ),
        *(PODS_CREATED, PODS_DELETED),
    ),
)
PROCESS: Final = Section(
    "The process",
    "The standard metrics of Prometheus' client libraries, from each replica.",
    (
        counter("process_cpu_seconds_total", "CPU time, user and system."),
        gauge("process_resident_memory_bytes", "Memory in RAM (RSS)."),
        gauge("process_virtual_memory_bytes", "Address space."),
        gauge("process_start_time_seconds", "When the process started, in Unix time."),
        gauge("process_open_fds", "Open file descriptors, including connections."),
        gauge("process_max_fds", "The most file descriptors that may be open."),
    ),
)
SECTIONS: Final = (OPERATOR, SCALING, CLUSTERS, ALL_JOBS, JOBS, PROCESS)
