"""One cluster: what it is asked for, what it has, what fails, and what Ray and its GPUs say."""

from typing import Final

from dashboards.board import FLEET, OPERATOR, Board, Choice, Mark, how_to, runbook
from dashboards.panels import GPUS, Graph, Number, Query, Row, Table

_THIS: Final = 'namespace="$namespace",name="$cluster"'
_WAITING: Final = f'rayfleet_cluster_waiting_requests{{reason!="None",{_THIS}}}'
"""None is the reason of a cluster in which nothing waits."""
_RAY: Final = 'namespace="$namespace",ray_io_cluster="$cluster"'
_HEADS: Final = 'namespace="$namespace",pod=~".+-head-[a-z0-9]{5}",container!=""'
_CUT: Final = (
    f'label_replace(kuberay_cluster_info{{{_THIS}}}, "head_of", "$1", "name", "(.{{0,51}}[a-z0-9]).*")'
)
"""A head is named like its cluster, up to 52 characters of it."""
_RATE: Final = "[$__rate_interval]"
_WHY_WAITING: Final = how_to("Why is my task waiting?", "explain.md")
_RAY_METRICS: Final = how_to("Ray's own metrics: podMonitor.enabled", "monitoring.md")
_GROUPS: Final = f"max by (group) (rayfleet_worker_group_{{}}_pods{{{{{_THIS}}}}})"
_NODES: Final = f"max by (namespace, pod, ray_io_group) (ray_node_cpu_count{{{_RAY}}})"


def _pods(kind: str) -> str:
    return _GROUPS.format(kind)


def _gpus(state: str) -> str:
    return f'sum(rate(rayfleet_cluster_gpu_seconds_total{{state="{state}",{_THIS}}}{_RATE}))'


def _of_a_gpu(metric: str) -> str:
    """A metric of NVIDIA's exporter, by worker group: both know the pod."""
    named = metric
    for label in ("namespace", "pod"):
        # So Prometheus calls labels of a series that clash with those of its exporter, unless it honors them.
        named = f'label_replace({named}, "{label}", "$1", "exported_{label}", "(.+)")'
    of_pods = f"max by (namespace, pod, gpu) ({named})"
    group = f"on (namespace, pod) group_left (ray_io_group) ({_NODES} > bool 0)"
    return f"avg by (ray_io_group) ({of_pods} * {group})"


CLUSTER_BOARD: Final = Board(
    uid="rayfleet-cluster",
    title="Ray: one cluster",
    description="What its queue asks for, what it has, what fails, and what Ray and its GPUs say.",
    variables=[
        Choice("namespace", "Namespace", "label_values(kuberay_cluster_info, namespace)", several=False),
        Choice(
            "cluster",
            "Cluster",
            'label_values(kuberay_cluster_info{namespace="$namespace"}, name)',
            several=False,
        ),
    ],
    marks=[
        Mark(
            "A group's size was decided",
            f"max by (group) (changes(rayfleet_worker_group_desired_pods{{{_THIS}}}[2m])) > 0",
            "blue",
        ),
        Mark(
            "The head is not ready",
            f'max by (reason) (rayfleet_cluster_condition{{condition="HeadPodReady",{_THIS}}}) == 0',
            "red",
        ),
    ],
    content=[
        Row(title="Now"),
        Number(
            title="Is it Ready?",
            description="1 while every pod that it should have exists and is ready.",
            unit="bool_yes_no",
            query=Query(f'max(rayfleet_cluster_condition{{condition="Ready",{_THIS}}})', "Ready"),
            link=runbook("RayfleetClusterNotReady"),
        ),
        Number(
            title="How many workers should it have?",
            description="Worker pods that the operator wants now, in all groups.",
            unit="none",
            query=Query(f"sum({_pods('desired')})", "wanted"),
            link=_WHY_WAITING,
        ),
        Number(
            title="How many workers are ready?",
            description="Worker pods that are ready, in all groups.",
            unit="none",
            query=Query(f"sum({_pods('ready')})", "ready"),
            link=runbook("RayfleetClusterNotReady"),
        ),
        Number(
            title="How many requests wait?",
            description="Requests in Ray's queue that get no node, or none yet.",
            unit="none",
            query=Query(
                f"sum(max by (reason) ({_WAITING})) or vector(0)",
                "requests",
            ),
            link=_WHY_WAITING,
            warns_above=0,
        ),
        Number(
            title="How many GPUs does it hold?",
            description="GPUs of its pods that hold a node.",
            unit=GPUS,
            query=Query(_gpus("allocated"), "held"),
            link=FLEET,
        ),
        Number(
            title="How many of them are idle?",
            description="GPUs of its nodes that Ray reports as idle.",
            unit=GPUS,
            query=Query(_gpus("idle"), "idle"),
            link=runbook("RayfleetGpusIdle"),
        ),
        Row(title="Demand and sizes"),
        Graph(
            title="Does each group have the pods that it should have?",
            description="Pods wanted and ready, by group. The lines of a group meet when it has what it "
            "needs.",
            unit="none",
            queries=[
                Query(_pods("desired"), "{{group}}: wanted"),
                Query(_pods("ready"), "{{group}}: ready"),
            ],
            link=runbook("RayfleetClusterNotReady"),
        ),
        Graph(
            title="How many requests wait, and why?",
            description="Requests in Ray's queue that get no node, or none yet, by what holds them.",
            unit="none",
            queries=[Query(f"max by (reason) ({_WAITING})", "{{reason}}")],
            link=_WHY_WAITING,
            stacked=True,
        ),
        Graph(
            title="How many pods are starting or leaving?",
            description="Pods that do not run yet, and pods whose node Ray drains before they are deleted.",
            unit="none",
            queries=[
                Query(_pods("pending"), "{{group}}: starting"),
                Query(_pods("draining"), "{{group}}: leaving"),
            ],
            link=runbook("RayfleetPodsPending"),
        ),
        Graph(
            title="How many GPUs does it hold, and use?",
            description="GPUs of its pods that hold a node; those that Ray's work uses; those of idle nodes.",
            unit=GPUS,
            queries=[
                Query(_gpus("allocated"), "held"),
                Query(_gpus("used"), "used by Ray"),
                Query(_gpus("idle"), "idle"),
            ],
            link=runbook("RayfleetGpusIdle"),
        ),
        Row(title="Failures"),
        Table(
            title="What does the operator say about it?",
            description="Its conditions with their reasons: 1 is true, 0 is false. The message is in "
            "kubectl describe.",
            unit="none",
            query=Query(f"max by (condition, reason) (rayfleet_cluster_condition{{{_THIS}}})", "True"),
            columns={"condition": "Condition", "reason": "Reason"},
            link=how_to("What conditions mean", "reference/status.md"),
        ),
        Table(
            title="Which groups get no pods, and why?",
            description="Groups whose pods cannot be created: a quota, a limit, a ceiling, or a refused "
            "template.",
            unit="none",
            query=Query(f"max by (group, reason) (rayfleet_worker_group_held{{{_THIS}}}) > 0", "Held"),
            columns={"group": "Group", "reason": "Reason"},
            link=runbook("RayfleetPodsHeld"),
        ),
        Graph(
            title="How close is the head to its memory limit?",
            description="Memory of the head's containers as a share of their limit, from the kubelet and "
            "kube-state-metrics.",
            unit="percentunit",
            queries=[
                Query(
                    "label_replace("
                    f"max by (namespace, pod, container) (container_memory_working_set_bytes{{{_HEADS}}}) / "
                    "max by (namespace, pod, container) "
                    f'(kube_pod_container_resource_limits{{resource="memory",{_HEADS}}})'
                    f', "head_of", "$1", "pod", "(.+)-head-.*") and on (namespace, head_of) {_CUT}',
                    "{{pod}}, {{container}}",
                )
            ],
            link=runbook("RayfleetHeadMemoryHigh"),
        ),
        Graph(
            title="Which pods use most memory?",
            description="Memory of each node of Ray, as Ray itself measures it: the ten largest.",
            unit="bytes",
            queries=[Query(f"topk(10, max by (pod) (ray_node_mem_used{{{_RAY}}}))", "{{pod}}")],
            link=_RAY_METRICS,
        ),
        Row(title="What Ray says (needs podMonitor.enabled)"),
        Graph(
            title="How many tasks are in which state?",
            description="Tasks by state, without those that have finished.",
            unit="none",
            queries=[Query(f'sum by (State) (ray_tasks{{{_RAY},State!~"FINISHED|FAILED"}})', "{{State}}")],
            link=_RAY_METRICS,
            stacked=True,
        ),
        Graph(
            title="How many actors are in which state?",
            description="Actors by state, without dead ones.",
            unit="none",
            queries=[Query(f'sum by (State) (ray_actors{{{_RAY},State!="DEAD"}})', "{{State}}")],
            link=_RAY_METRICS,
            stacked=True,
        ),
        Graph(
            title="How busy are CPUs?",
            description="Mean utilization of the CPUs of all nodes, by group.",
            unit="percent",
            queries=[
                Query(f"avg by (ray_io_group) (ray_node_cpu_utilization{{{_RAY}}})", "{{ray_io_group}}")
            ],
            link=_RAY_METRICS,
        ),
        Graph(
            title="How full is the object store?",
            description="Bytes that objects take, by where they are: memory, or spilled to disk.",
            unit="bytes",
            queries=[Query(f"sum by (Location) (ray_object_store_memory{{{_RAY}}})", "{{Location}}")],
            link=_RAY_METRICS,
            stacked=True,
        ),
        Row(title="What the GPUs say (needs NVIDIA's DCGM exporter)"),
        Graph(
            title="How busy are the GPUs?",
            description="Mean utilization of the GPUs of each group, joined with Ray's metrics by pod.",
            unit="percent",
            queries=[Query(_of_a_gpu("DCGM_FI_DEV_GPU_UTIL"), "{{ray_io_group}}")],
            link=FLEET,
        ),
        Graph(
            title="How much memory do the GPUs use?",
            description="Mean memory in use on a GPU of each group, joined with Ray's metrics by pod.",
            unit="decmbytes",
            queries=[Query(_of_a_gpu("DCGM_FI_DEV_FB_USED"), "{{ray_io_group}}")],
            link=OPERATOR,
        ),
    ],
)
