"""The operator: whether it runs, keeps up and is answered, and what it decides."""

from typing import Final

from dashboards.board import FLEET, MONITORING, Board, how_to, runbook
from dashboards.panels import Graph, Number, Query, Row

_RATE: Final = "[$__rate_interval]"
_PERFORMANCE: Final = how_to("What is normal", "performance.md")
_OURS: Final = "and on (job, instance) rayfleet_build_info"
"""Metrics of a process say by their target whose they are."""


def _quantile(of: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({of}, sum by ({by}) (rate({metric}_bucket{_RATE})))"


OPERATOR_BOARD: Final = Board(
    uid="rayfleet-operator",
    title="Ray: the operator",
    description="Whether the operator runs, keeps up and is answered, and what it decides.",
    variables=[],
    content=[
        Row(title="Now"),
        Number(
            title="How many replicas answer?",
            description="Replicas of the operator that Prometheus reads.",
            unit="none",
            query=Query("count(rayfleet_build_info) or vector(0)", "replicas"),
            link=runbook("RayfleetOperatorDown"),
        ),
        Number(
            title="How many replicas lead?",
            description="1 for each release is right: one replica leads, the others stand by.",
            unit="none",
            query=Query("sum(rayfleet_leader)", "leaders"),
            link=runbook("RayfleetNoLeader"),
        ),
        Number(
            title="How many clusters does it run?",
            description="RayClusters that the leader shows.",
            unit="none",
            query=Query("count(count by (namespace, name) (kuberay_cluster_info)) or vector(0)", "clusters"),
            link=FLEET,
        ),
        Number(
            title="For how many objects does it fail?",
            description="Clusters and jobs whose last pass failed and is repeated.",
            unit="none",
            query=Query("sum(rayfleet_workqueue_backoff_keys)", "objects"),
            link=runbook("RayfleetPassesFailing"),
            warns_above=0,
        ),
        Number(
            title="How long must an object wait?",
            description="The cluster or job that has waited longest. A pass is one look at it with all that "
            "follows.",
            unit="s",
            query=Query("max(rayfleet_workqueue_oldest_age_seconds)", "oldest"),
            link=_PERFORMANCE,
            warns_above=5,
        ),
        Number(
            title="Is another operator alive?",
            description="1 while another operator of this API is alive: its clusters are left alone.",
            unit="bool_yes_no",
            query=Query("max(rayfleet_other_operator_alive)", "other operator"),
            link=how_to("Two operators", "moving-from-kuberay.md"),
        ),
        Row(title="Does it keep up?"),
        Graph(
            title="How long does a pass take?",
            description="Half of the passes, and 99 of 100, take less than this, including their API "
            "requests.",
            unit="s",
            queries=[
                Query(_quantile(0.5, "rayfleet_reconcile_duration_seconds"), "half of them"),
                Query(_quantile(0.99, "rayfleet_reconcile_duration_seconds"), "99 of 100"),
            ],
            link=_PERFORMANCE,
        ),
        Graph(
            title="How do passes end?",
            description="Passes in a second by result: retry is repeated after a pause, error is a defect.",
            unit="ops",
            queries=[Query(f"sum by (result) (rate(rayfleet_reconcile_total{_RATE}))", "{{result}}")],
            link=runbook("RayfleetPassesFailing"),
            stacked=True,
        ),
        Graph(
            title="How many objects wait for a pass?",
            description="Clusters and jobs that wait, and those that are worked on.",
            unit="none",
            queries=[
                Query("sum(rayfleet_workqueue_depth)", "waiting"),
                Query("sum(rayfleet_reconcile_active_workers)", "being worked on"),
            ],
            link=_PERFORMANCE,
        ),
        Graph(
            title="How long is the event loop held up?",
            description="99 of 100 timers fire later than planned by less than this: what anything may "
            "have to wait.",
            unit="s",
            queries=[
                Query(
                    _quantile(0.99, "rayfleet_event_loop_lag_seconds", "le, instance"),
                    "99 of 100, {{instance}}",
                )
            ],
            link=_PERFORMANCE,
        ),
        Row(title="Is it answered?"),
        Graph(
            title="What does the API server refuse?",
            description="Requests in a second that did not succeed, by verb and code; code 0 is no answer.",
            unit="reqps",
            queries=[
                Query(
                    f'sum by (verb, code) (rate(rayfleet_api_requests_total{{code!~"2.."}}{_RATE})) > 0',
                    "{{verb}} {{code}}",
                )
            ],
            link=runbook("RayfleetPassesFailing"),
        ),
        Graph(
            title="How many requests does it send to the API server?",
            description="Requests in a second by verb.",
            unit="reqps",
            queries=[Query(f"sum by (verb) (rate(rayfleet_api_requests_total{_RATE}))", "{{verb}}")],
            link=_PERFORMANCE,
            stacked=True,
        ),
        Graph(
            title="How do heads answer?",
            description="Calls to the heads of clusters in a second, by outcome.",
            unit="reqps",
            queries=[Query(f"sum by (outcome) (rate(rayfleet_gcs_requests_total{_RATE}))", "{{outcome}}")],
            link=runbook("RayfleetQueueUnknown"),
            stacked=True,
        ),
        Graph(
            title="How long do heads take to answer?",
            description="99 of 100 answers took less than this, by what was asked.",
            unit="s",
            queries=[
                Query(_quantile(0.99, "rayfleet_gcs_request_duration_seconds", "le, method"), "{{method}}")
            ],
            link=runbook("RayfleetQueueUnknown"),
        ),
        Graph(
            title="How old is what it knows?",
            description="Time since the last event or bookmark of each kind; a bookmark comes every minute.",
            unit="s",
            queries=[Query("max by (kind) (rayfleet_informer_age_seconds)", "{{kind}}")],
            link=runbook("RayfleetWatchSilent"),
        ),
        Graph(
            title="How often does it list again?",
            description="Lists after the first and gaps in a watch, in an hour.",
            unit="none",
            queries=[
                Query("sum by (kind) (increase(rayfleet_informer_relists_total[1h]))", "{{kind}}: lists"),
                Query("sum by (kind) (increase(rayfleet_informer_gaps_total[1h]))", "{{kind}}: gaps"),
            ],
            link=runbook("RayfleetWatchSilent"),
        ),
        Row(title="What does it decide?"),
        Graph(
            title="How often do sizes change, and why?",
            description="Decisions that changed the size of a group, in a minute, by direction and reason.",
            unit="none",
            queries=[
                Query(
                    f"sum by (direction, reason) (rate(rayfleet_scaling_decisions_total{_RATE})) * 60",
                    "{{direction}}: {{reason}}",
                )
            ],
            link=how_to("Autoscaling", "autoscaling.md"),
            stacked=True,
        ),
        Graph(
            title="In how many clusters is demand held back, and why?",
            description="Clusters in which something is held now, by cause. One cluster may have several.",
            unit="none",
            queries=[Query("sum by (cause) (rayfleet_holds)", "{{cause}}")],
            link=runbook("RayfleetDemandUnmet"),
            stacked=True,
        ),
        Graph(
            title="How long does a worker take to start?",
            description="Half of the new workers take less than this for each part, from the decision to "
            "a node of Ray.",
            unit="s",
            queries=[Query(_quantile(0.5, "rayfleet_worker_startup_seconds", "le, phase"), "{{phase}}")],
            link=_PERFORMANCE,
        ),
        Graph(
            title="Why are pods created and deleted?",
            description="Pods in a minute, by reason.",
            unit="none",
            queries=[
                Query(
                    f"sum by (reason) (rate(rayfleet_pods_created_total{_RATE})) * 60", "created: {{reason}}"
                ),
                Query(
                    f"sum by (reason) (rate(rayfleet_pods_deleted_total{_RATE})) * 60", "deleted: {{reason}}"
                ),
            ],
            link=MONITORING,
        ),
        Row(title="What does it cost?"),
        Graph(
            title="How much CPU does it use?",
            description="Processors that each replica uses.",
            unit="none",
            queries=[Query(f"rate(process_cpu_seconds_total{_RATE}) {_OURS}", "{{instance}}")],
            link=_PERFORMANCE,
        ),
        Graph(
            title="How much memory does it use?",
            description="Resident memory of each replica.",
            unit="bytes",
            queries=[Query(f"process_resident_memory_bytes {_OURS}", "{{instance}}")],
            link=_PERFORMANCE,
        ),
    ],
)
