"""The fleet: who holds GPUs, who waits and why, what is idle and what that costs."""

from typing import Final

from dashboards.board import CLUSTER, OPERATOR, Board, Choice, Setting, how_to, runbook
from dashboards.panels import GPUS, Graph, Link, Number, Query, Row, Table

_IN: Final = 'namespace=~"$namespace"'
_RATE: Final = "[$__rate_interval]"
_BY_CLUSTER: Final = "sum by (namespace, name)"
_TO_CLUSTER: Final = Link(
    "Open this cluster",
    "/d/rayfleet-cluster?${datasource:queryparam}&var-namespace=${__data.fields.Namespace}"
    "&var-cluster=${__data.fields.Cluster}",
)
_CLUSTERS: Final = {"namespace": "Namespace", "name": "Cluster"}
_SECONDS: Final = "rayfleet_cluster_gpu_seconds_total"
_WAITING: Final = f'rayfleet_cluster_waiting_requests{{reason!="None",{_IN}}}'
"""None is the reason of a cluster in which nothing waits."""
_IDLE: Final = f'{_BY_CLUSTER} (rate({_SECONDS}{{state="idle",{_IN}}}[5m]))'


def _gpus(state: str, by: str = "sum") -> str:
    """GPUs in a state now: GPU-seconds in a second."""
    return f'{by} (rate({_SECONDS}{{state="{state}",{_IN}}}{_RATE}))'


FLEET_BOARD: Final = Board(
    uid="rayfleet-fleet",
    title="Ray: the fleet",
    description="Who holds GPUs, who waits and why, what is idle, and what that costs.",
    variables=[
        Choice("namespace", "Namespace", "label_values(kuberay_cluster_info, namespace)", several=True),
        Setting("price", "Price of a GPU-hour in dollars", "2.50"),
    ],
    content=[
        Row(title="Now"),
        Number(
            title="How many GPUs do clusters hold?",
            description="GPUs of pods that hold a node, whether or not Ray uses them.",
            unit=GPUS,
            query=Query(_gpus("allocated"), "held"),
            link=CLUSTER,
        ),
        Number(
            title="How many of them does Ray use?",
            description="GPUs that Ray's work uses, as the heads report it.",
            unit=GPUS,
            query=Query(_gpus("used"), "used"),
            link=CLUSTER,
        ),
        Number(
            title="How many are idle?",
            description="GPUs of nodes that Ray reports as idle.",
            unit=GPUS,
            query=Query(_gpus("idle"), "idle"),
            link=runbook("RayfleetGpusIdle"),
        ),
        Number(
            title="What do idle GPUs cost an hour?",
            description="Idle GPUs times the price of a GPU-hour that is set at the top of this board.",
            unit="currencyUSD",
            query=Query(f"{_gpus('idle')} * $price", "cost an hour"),
            link=runbook("RayfleetGpusIdle"),
        ),
        Number(
            title="How many clusters wait for nodes?",
            description="Clusters in whose queue something gets no node, or none yet.",
            unit="none",
            query=Query(
                f"count(sum by (namespace, name) ({_WAITING}) > 0) or vector(0)",
                "clusters",
            ),
            link=runbook("RayfleetDemandUnmet"),
            warns_above=0,
        ),
        Number(
            title="How many alerts fire?",
            description="Alerts of rayfleet that fire now, of clusters and of the operator.",
            unit="none",
            query=Query('count(ALERTS{alertname=~"Rayfleet.*",alertstate="firing"}) or vector(0)', "alerts"),
            link=how_to("All alerts", "reference/alerts.md"),
            warns_above=0,
        ),
        Row(title="Who holds GPUs"),
        Graph(
            title="Which namespaces hold GPUs?",
            description="GPUs of pods that hold a node, by namespace.",
            unit=GPUS,
            queries=[Query(_gpus("allocated", "sum by (namespace)"), "{{namespace}}")],
            link=CLUSTER,
            stacked=True,
        ),
        Graph(
            title="Which kinds of owners hold GPUs?",
            description="GPUs by what created the cluster: a RayJob, a RayService, or nothing (None).",
            unit=GPUS,
            queries=[Query(_gpus("allocated", "sum by (owner_kind)"), "{{owner_kind}}")],
            link=CLUSTER,
            stacked=True,
        ),
        Table(
            title="Which clusters hold most GPUs?",
            description="The 20 clusters that hold most GPUs now. A click opens the cluster's board.",
            unit=GPUS,
            query=Query(
                f'topk(20, {_BY_CLUSTER} (rate({_SECONDS}{{state="allocated",{_IN}}}[5m])) > 0)',
                "GPUs held",
            ),
            columns=_CLUSTERS,
            row_link=_TO_CLUSTER,
            link=CLUSTER,
        ),
        Table(
            title="Which clusters are not Ready?",
            description="Clusters that lack pods that they should have, and the reason of the condition "
            "Ready.",
            unit="none",
            query=Query(
                "max by (namespace, name, reason) "
                f'(rayfleet_cluster_condition{{condition="Ready",{_IN}}}) == 0',
                "Ready",
            ),
            columns={**_CLUSTERS, "reason": "Reason"},
            row_link=_TO_CLUSTER,
            link=runbook("RayfleetClusterNotReady"),
        ),
        Row(title="Who waits"),
        Graph(
            title="How many requests wait, and why?",
            description="Tasks, actors and placement groups that get no node, or none yet, by what holds "
            "them.",
            unit="none",
            queries=[
                Query(
                    f"sum by (reason) (max by (namespace, name, reason) ({_WAITING}))",
                    "{{reason}}",
                )
            ],
            link=runbook("RayfleetDemandUnmet"),
            stacked=True,
        ),
        Table(
            title="Which clusters wait, and why?",
            description="Requests in the queue of each cluster that get no node, or none yet.",
            unit="none",
            query=Query(
                f"max by (namespace, name, reason) ({_WAITING}) > 0",
                "Requests",
            ),
            columns={**_CLUSTERS, "reason": "Reason"},
            row_link=_TO_CLUSTER,
            link=runbook("RayfleetDemandUnmet"),
        ),
        Graph(
            title="How much is asked for?",
            description="What the queues of all clusters ask for, by resource, and how much of it no "
            "group can "
            "ever serve.",
            unit="none",
            queries=[
                Query('sum by (resource) (rayfleet_demand{resource!="memory"})', "{{resource}}"),
                Query(
                    'sum by (resource) (rayfleet_infeasible_demand{resource!="memory"})',
                    "{{resource}}, infeasible",
                ),
            ],
            link=runbook("RayfleetInfeasibleDemand"),
        ),
        Table(
            title="Which groups get no pods, and why?",
            description="Worker groups whose pods cannot be created: a quota, a limit, a ceiling, or a "
            "refused template.",
            unit="none",
            query=Query(
                f"max by (namespace, name, group, reason) (rayfleet_worker_group_held{{{_IN}}}) > 0", "Held"
            ),
            columns={**_CLUSTERS, "group": "Group", "reason": "Reason"},
            row_link=_TO_CLUSTER,
            link=runbook("RayfleetPodsHeld"),
        ),
        Row(title="What is idle"),
        Graph(
            title="Which clusters keep idle GPUs?",
            description="The ten clusters with most GPUs on nodes that Ray reports as idle.",
            unit=GPUS,
            queries=[Query(f"topk(10, {_IDLE} > 0)", "{{namespace}}/{{name}}")],
            link=runbook("RayfleetGpusIdle"),
            stacked=True,
        ),
        Table(
            title="For how long have GPUs been idle?",
            description="Time since a cluster last had no idle GPU, or was first seen; a day at most.",
            unit="s",
            query=Query(
                f"time() - (max_over_time(timestamp({_IDLE} < 0.5)[1d:5m]) "
                f"or min_over_time(timestamp({_IDLE})[1d:5m])) and {_IDLE} > 0.5",
                "Idle for",
            ),
            columns=_CLUSTERS,
            row_link=_TO_CLUSTER,
            link=runbook("RayfleetGpusIdle"),
        ),
        Table(
            title="What did idle GPUs cost in the last day?",
            description="Idle GPU-hours of the last 24 hours times the price of a GPU-hour at the top of "
            "this board.",
            unit="currencyUSD",
            query=Query(
                f'topk(20, {_BY_CLUSTER} (increase({_SECONDS}{{state="idle",{_IN}}}[1d]))'
                " / 3600 * $price > 0)",
                "Cost",
            ),
            columns=_CLUSTERS,
            row_link=_TO_CLUSTER,
            link=runbook("RayfleetGpusIdle"),
        ),
        Graph(
            title="How often does a ceiling begin to hold growth back?",
            description="Times in a minute that a ceiling on GPUs began to hold something in a cluster, by "
            "whose ceiling it is. One that goes on holding it counts once.",
            unit="none",
            queries=[
                Query(
                    f"sum by (scope) (rate(rayfleet_ceilings_held_total{_RATE})) * 60", "ceiling: {{scope}}"
                )
            ],
            link=runbook("RayfleetCeilingReached"),
        ),
        Graph(
            title="How many clusters are there?",
            description="RayClusters by what created them.",
            unit="none",
            queries=[
                Query(
                    "count by (owner_kind) (max by (namespace, name, owner_kind) "
                    f"(kuberay_cluster_info{{{_IN}}}))",
                    "{{owner_kind}}",
                )
            ],
            link=OPERATOR,
            width=24,
            stacked=True,
        ),
    ],
)
