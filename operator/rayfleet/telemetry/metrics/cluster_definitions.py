"""Every metric of clusters: of each one, and of all together."""

from typing import Final

from rayfleet.fleet.startups import STARTUP_SECONDS
from rayfleet.telemetry.metrics.definition import Section, counter, gauge, histogram

GROUPS_SHOWN: Final = 32
"""How many groups of one cluster are shown. 2,000 clusters with as many take 30 MB of text."""

CLUSTER_INFO: Final = gauge(
    "kuberay_cluster_info",
    "A RayCluster that exists; always 1. owner_kind is RayJob or RayService if such an object created it, "
    "else None.",
    *("name", "namespace", "uid", "owner_kind"),
)
CLUSTER_PROVISIONED: Final = gauge(
    "kuberay_cluster_condition_provisioned",
    "Always 1; the label condition is true once all pods of the cluster have been ready for the first time "
    "(its condition RayClusterProvisioned), and false until then.",
    *("name", "namespace", "uid", "condition"),
)
CLUSTER_PROVISIONED_DURATION: Final = gauge(
    "kuberay_cluster_provisioned_duration_seconds",
    "Time from the creation of the RayCluster until its condition RayClusterProvisioned became true, in "
    "whole seconds; absent before.",
    *("name", "namespace", "uid"),
)
CLUSTER_CONDITION: Final = gauge(
    "rayfleet_cluster_condition",
    "1 while a condition of the cluster is True, 0 while it is False; absent if the condition is. "
    "reason is the condition's.",
    *("name", "namespace", "condition", "reason"),
)
CLUSTER_GPU_SECONDS: Final = counter(
    "rayfleet_cluster_gpu_seconds_total",
    "GPUs, and accelerators of other kinds, by time, from 0 with each leader. state is allocated (requested "
    "by pods of the cluster that hold devices); used (those of them that Ray's work uses: what its nodes "
    "have, less what is available); idle (those of them on nodes that Ray reports as idle). used and idle "
    "are there while the answers of the cluster's head are known.",
    *("name", "namespace", "owner_kind", "state"),
)
CLUSTER_WAITING: Final = gauge(
    "rayfleet_cluster_waiting_requests",
    "Requests in the queue of a cluster that follows it which have no node, and get none now; reason is what "
    "holds most of them: Infeasible, Max, Ceiling, Blocked, Withheld, Rate or TooMuch. If there are none, "
    "those whose nodes are on the way (reason Starting), else 0 (None). Of request_resources, what exceeds "
    "tasks and placement groups counts. Absent while the queue is unknown.",
    *("name", "namespace", "reason"),
)
GROUP_DESIRED: Final = gauge(
    "rayfleet_worker_group_desired_pods",
    "Pods that the worker group should have. Here and below, the first "
    f"{GROUPS_SHOWN} worker groups of a cluster are shown.",
    *("name", "namespace", "group"),
)
GROUP_RUNNING: Final = gauge(
    "rayfleet_worker_group_running_pods",
    "Running pods of the group. Here and below, pods that have ended or are being deleted do not count.",
    *("name", "namespace", "group"),
)
GROUP_PENDING: Final = gauge(
    "rayfleet_worker_group_pending_pods",
    "Pods of the group that are not running yet: not scheduled, or their containers not started.",
    *("name", "namespace", "group"),
)
GROUP_READY: Final = gauge(
    "rayfleet_worker_group_ready_pods",
    "Ready pods of the group.",
    *("name", "namespace", "group"),
)
GROUP_DRAINING: Final = gauge(
    "rayfleet_worker_group_draining_pods",
    "Pods of the group on their way out: Ray drains their node (these still count as running), or they are "
    "being deleted and have not ended yet.",
    *("name", "namespace", "group"),
)
GROUP_HELD: Final = gauge(
    "rayfleet_worker_group_held",
    "1 while pods of the group cannot be created; reason is that in status.workerGroups: QuotaExceeded, "
    "LimitRange, FailedCreate, TemplateRefused or Ceiling.",
    *("name", "namespace", "group", "reason"),
)

DEMAND: Final = gauge(
    "rayfleet_demand",
    "What waits for a node in the queues of all clusters: CPUs, GPUs, TPU chips, bytes of memory, and units "
    "of everything else (other). Of each, tasks and placement groups count, or request_resources if it asks "
    "for more. Of one cluster at most a million of each counts, and 1 PiB.",
    "resource",
)
INFEASIBLE_DEMAND: Final = gauge(
    "rayfleet_infeasible_demand",
    "The part of rayfleet_demand that no group of its cluster could ever serve, whatever its max.",
    "resource",
)
DECISIONS: Final = counter(
    "rayfleet_scaling_decisions_total",
    "Decisions that changed the size of a group. Up: demand (work waits), minimum, metric (one from outside "
    "Ray asks for it), replicas (was raised), other (such as that Ray keeps a node that was to go). Down: "
    "idle, unneeded (not started, and nothing waits for it any more), replicas (was lowered), limit (it was "
    "above its max), other.",
    *("direction", "reason"),
)
HOLDS: Final = gauge(
    "rayfleet_holds",
    "Clusters in which something is held now: Infeasible (no group has such a node), Max, Ceiling, Blocked "
    "(pods do not start, or the API server refuses them), Withheld (a group may not start pods), Rate "
    "(growth is spread over time), TooMuch (more waits than one decision considers). A cluster may have "
    "several.",
    "cause",
)
CEILINGS_HELD: Final = counter(
    "rayfleet_ceilings_held_total",
    "How many times a ceiling on GPUs has begun to hold something in a cluster: that of the cluster, of its "
    "namespace, or of all (total), and those on new GPUs per minute.",
    "scope",
)
STARTUP: Final = histogram(
    "rayfleet_worker_startup_seconds",
    "How long workers take that this process creates. Phases: create (from the answer of the head that shows "
    "the demand, or the pass that finds a pod missing, to its creation) and, recorded when they arrive, "
    "schedule (to its assignment to a node); start (to the start of its Ray container, with init containers "
    "and images); image (the part of it from the pod's sandbox to its first container); join (to its node in "
    "Ray, or to being ready where Ray is not asked); total. Times of Kubernetes are in whole seconds.",
    *STARTUP_SECONDS,
    labels=("phase",),
)

SCALING: Final = Section(
    "Scaling",
    "Of all clusters together, from the leader only; the gauges of a standby are 0. Every series is there "
    "from the start.",
    (DEMAND, INFEASIBLE_DEMAND, DECISIONS, HOLDS, CEILINGS_HELD, STARTUP),
)
CLUSTERS: Final = Section(
    "Clusters",
    "From the leader only, so that a sum over the replicas counts each cluster once. They disappear with "
    "their object, and there are at most 14 per cluster and 6 per worker group. The first three have the "
    "names, labels and meanings that dashboards for KubeRay use.",
    (
        *(CLUSTER_INFO, CLUSTER_PROVISIONED, CLUSTER_PROVISIONED_DURATION, CLUSTER_CONDITION),
        *(CLUSTER_GPU_SECONDS, CLUSTER_WAITING),
        *(GROUP_DESIRED, GROUP_RUNNING, GROUP_PENDING, GROUP_READY, GROUP_DRAINING, GROUP_HELD),
    ),
)
