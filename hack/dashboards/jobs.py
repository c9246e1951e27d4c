"""The jobs: which wait and for what, how attempts end and why, how long that takes, what ended jobs hold."""

from typing import Final

from dashboards.board import CLUSTER, FLEET, OPERATOR, Board, Choice, Setting, how_to, runbook
from dashboards.panels import GPUS, Graph, Link, Number, Query, Row, Table

_IN: Final = 'namespace=~"$namespace"'
_RATE: Final = "[$__rate_interval]"
_JOB: Final = {"namespace": "Namespace", "name": "Job"}
_STATUS: Final = "kuberay_job_deployment_status"
_WAITING: Final = f"rayfleet_job_waiting_seconds{{{_IN}}}"
_UNREACHABLE: Final = f"rayfleet_job_dashboard_unreachable_seconds{{{_IN}}}"
_HELD: Final = f"rayfleet_job_gpus_held{{{_IN}}}"
_ATTEMPTS: Final = "rayfleet_job_attempts_total"
_BAD: Final = '{result=~"failed|retried"}'
_RETRIED: Final = '{result="retried"}'
_TO_CLUSTER: Final = Link(
    "Open its cluster",
    "/d/rayfleet-cluster?${datasource:queryparam}&var-namespace=${__data.fields.Namespace}"
    "&var-cluster=${__data.fields.Cluster}",
)
_RESULTS: Final = how_to("Verdicts and retries", "jobs.md")


def _in_state(state: str) -> str:
    """How many jobs are in a state now."""
    chosen = f'{_STATUS}{{deployment_status="{state}",{_IN}}}'
    return f"count(max by (namespace, name) ({chosen})) or vector(0)"


def _ended(which: str, by: str) -> str:
    """Attempts in a minute that ended like this."""
    return f"sum by ({by}) (rate({_ATTEMPTS}{which}{_RATE})) * 60"


def _quantile(of: float, metric: str, by: str) -> str:
    return f"histogram_quantile({of}, sum by (le, {by}) (rate({metric}_bucket{_RATE})))"


JOBS_BOARD: Final = Board(
    uid="rayfleet-jobs",
    title="Ray: jobs",
    description="Which jobs wait and for what, how attempts end and why, how long they take, and which GPUs "
    "ended jobs hold.",
    variables=[
        Choice("namespace", "Namespace", "label_values(kuberay_job_info, namespace)", several=True),
        Setting("price", "Price of a GPU-hour in dollars", "2.50"),
    ],
    content=[
        Row(title="Now"),
        Number(
            title="How many jobs run?",
            description="RayJobs whose job is submitted to Ray, or about to be.",
            unit="none",
            query=Query(_in_state("Running"), "jobs"),
            link=FLEET,
        ),
        Number(
            title="How many wait for their cluster?",
            description="RayJobs whose cluster is coming.",
            unit="none",
            query=Query(_in_state("Initializing"), "jobs"),
            link=runbook("RayfleetJobWaitsForCluster"),
        ),
        Number(
            title="How many failed lately?",
            description="Jobs of all namespaces that failed for good in the last hour, whatever the reason.",
            unit="none",
            query=Query(f'sum(increase({_ATTEMPTS}{{result="failed"}}[1h]))', "jobs"),
            link=runbook("RayfleetJobsLostToInfrastructure"),
        ),
        Number(
            title="How many were lost to faults?",
            description="Attempts of all namespaces that failed in the last hour through a node, a GPU, the "
            "network or a preemption, and not through their program.",
            unit="none",
            query=Query(f'sum(increase({_ATTEMPTS}{{category="infrastructure"}}[1h]))', "attempts"),
            link=runbook("RayfleetJobsLostToInfrastructure"),
        ),
        Number(
            title="How many dashboards are silent?",
            description="Running jobs that Ray cannot be asked about now.",
            unit="none",
            query=Query(f"count(max by (namespace, name) ({_UNREACHABLE})) or vector(0)", "jobs"),
            link=runbook("RayfleetJobDashboardUnreachable"),
            warns_above=0,
        ),
        Number(
            title="How many GPUs do ended jobs hold?",
            description="GPUs of clusters that are kept after the end of their job, whatever the reason.",
            unit=GPUS,
            query=Query(f"sum(max by (namespace, name) ({_HELD})) or vector(0)", "held"),
            link=runbook("RayfleetJobGpusHeld"),
            warns_above=0,
        ),
        Row(title="Who waits"),
        Graph(
            title="How many jobs are in which state?",
            description="RayJobs by status.jobDeploymentStatus. Ended ones count until they are deleted.",
            unit="none",
            queries=[
                Query(
                    "count by (deployment_status) (max by (namespace, name, deployment_status) "
                    f"({_STATUS}{{{_IN}}}))",
                    "{{deployment_status}}",
                )
            ],
            link=how_to("Running jobs", "jobs.md"),
            stacked=True,
        ),
        Graph(
            title="For what do jobs wait?",
            description="Attempts that Ray does not run yet, by what they wait for: pods of their cluster, "
            "its dashboard, their driver, their user, or the next attempt.",
            unit="none",
            queries=[
                Query(
                    f"count by (reason) (max by (namespace, name, reason) ({_WAITING}))",
                    "{{reason}}",
                )
            ],
            link=runbook("RayfleetJobWaitsForCluster"),
            stacked=True,
        ),
        Table(
            title="Which jobs have waited longest, and for what?",
            description="The 20 attempts that have waited longest for Ray to run them. A click opens the "
            "board of the cluster.",
            unit="s",
            query=Query(f"topk(20, max by (namespace, name, cluster, reason) ({_WAITING}))", "Waits for"),
            columns={**_JOB, "cluster": "Cluster", "reason": "Reason"},
            row_link=_TO_CLUSTER,
            link=runbook("RayfleetJobWaitsForCluster"),
        ),
        Table(
            title="Which running jobs can Ray not be asked about?",
            description="Jobs whose dashboard does not answer, and for how long. After five minutes the "
            "attempt ends.",
            unit="s",
            query=Query(f"max by (namespace, name) ({_UNREACHABLE})", "Silent for"),
            columns=_JOB,
            link=runbook("RayfleetJobDashboardUnreachable"),
        ),
        Row(title="How attempts end (all namespaces)"),
        Graph(
            title="How do attempts end?",
            description="Attempts in a minute by result. One that is retried has failed, and another one "
            "follows.",
            unit="none",
            queries=[Query(_ended("", "result"), "{{result}}")],
            link=_RESULTS,
            stacked=True,
        ),
        Graph(
            title="Whose fault are failures?",
            description="Failed attempts in a minute by the category of their verdict: the infrastructure, "
            "the application, or the configuration.",
            unit="none",
            queries=[Query(_ended(_BAD, "category"), "{{category}}")],
            link=runbook("RayfleetJobsLostToInfrastructure"),
            stacked=True,
        ),
        Graph(
            title="What causes failures?",
            description="Failed attempts in a minute by the cause in their verdict; causes without any are "
            "left out.",
            unit="none",
            queries=[Query(f"{_ended(_BAD, 'cause')} > 0", "{{cause}}")],
            link=runbook("RayfleetJobsLostToInfrastructure"),
            stacked=True,
        ),
        Graph(
            title="How much is repeated, and why?",
            description="Failed attempts in a minute that another one followed, by cause.",
            unit="none",
            queries=[Query(f"{_ended(_RETRIED, 'cause')} > 0", "retried: {{cause}}")],
            link=_RESULTS,
            stacked=True,
        ),
        Row(title="How long they take"),
        Graph(
            title="How long do jobs wait for others?",
            description="Half of the attempts wait less than this: submit is from the head being ready to "
            "the job running in Ray, record from its end in Ray to the status, total from the creation of "
            "the RayJob to the first run.",
            unit="s",
            queries=[Query(_quantile(0.5, "rayfleet_job_phase_seconds", "phase"), "{{phase}}")],
            link=how_to("What is normal", "performance.md"),
        ),
        Graph(
            title="How long do nearly all jobs wait for others?",
            description="19 of 20 attempts wait less than this, in the same three phases.",
            unit="s",
            queries=[Query(_quantile(0.95, "rayfleet_job_phase_seconds", "phase"), "{{phase}}, 19 of 20")],
            link=how_to("What is normal", "performance.md"),
        ),
        Table(
            title="Which attempts took longest?",
            description="The 20 longest of the attempts that have ended, of jobs that still exist.",
            unit="s",
            query=Query(
                "topk(20, max by (namespace, name, job_deployment_status, retry_count) "
                f"(kuberay_job_execution_duration_seconds{{{_IN}}}))",
                "Took",
            ),
            columns={**_JOB, "job_deployment_status": "Led to", "retry_count": "Failed before"},
            link=CLUSTER,
        ),
        Graph(
            title="How long do attempts take?",
            description="Half of the last attempts of all jobs took less than this, by what they led to.",
            unit="s",
            queries=[
                Query(
                    "quantile by (job_deployment_status) "
                    f"(0.5, kuberay_job_execution_duration_seconds{{{_IN}}})",
                    "{{job_deployment_status}}",
                )
            ],
            link=CLUSTER,
        ),
        Row(title="What ended jobs hold"),
        Table(
            title="Which ended jobs hold GPUs, and why?",
            description="NoRule: nothing will delete the cluster. Kept: a rule will, later. KeptByRule: a "
            "rule keeps it. Going: it is being deleted.",
            unit=GPUS,
            query=Query(f"max by (namespace, name, reason) ({_HELD}) > 0", "GPUs held"),
            columns={**_JOB, "reason": "Reason"},
            link=runbook("RayfleetJobGpusHeld"),
        ),
        Table(
            title="What has that cost since the end of the job?",
            description="GPU-hours since the end of each job that still holds GPUs, times the price of a "
            "GPU-hour at the top of this board.",
            unit="currencyUSD",
            query=Query(
                f"max by (namespace, name, reason) (rayfleet_job_held_gpu_seconds{{{_IN}}}) / 3600 * $price"
                " > 0",
                "Cost",
            ),
            columns={**_JOB, "reason": "Reason"},
            link=runbook("RayfleetJobGpusHeld"),
        ),
        Graph(
            title="How many GPUs do ended jobs hold, and why?",
            description="GPUs of clusters that are kept after the end of their job, by reason.",
            unit=GPUS,
            queries=[
                Query(f"sum by (reason) (max by (namespace, name, reason) ({_HELD}))", "{{reason}}"),
            ],
            link=runbook("RayfleetJobGpusHeld"),
            width=24,
            stacked=True,
        ),
        Row(title="What Ray's dashboards answer (all namespaces)"),
        Graph(
            title="How do dashboards answer?",
            description="Calls to the dashboards of heads in a second, by outcome.",
            unit="reqps",
            queries=[
                Query(f"sum by (outcome) (rate(rayfleet_dashboard_requests_total{_RATE}))", "{{outcome}}")
            ],
            link=runbook("RayfleetJobDashboardUnreachable"),
            stacked=True,
        ),
        Graph(
            title="How long do dashboards take to answer?",
            description="99 of 100 answers took less than this, by what was asked.",
            unit="s",
            queries=[
                Query(_quantile(0.99, "rayfleet_dashboard_request_duration_seconds", "method"), "{{method}}")
            ],
            link=OPERATOR,
        ),
    ],
)
