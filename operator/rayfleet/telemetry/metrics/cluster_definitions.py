"""Every metric of clusters: of each one, and of all together."""

from typing import Final

from rayfleet.telemetry.metrics.definition import Section, counter, gauge

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
GROUP_DESIRED: Final = gauge(
    "rayfleet_worker_group_desired_pods",
    "Pods that the worker group should have.",
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

CLUSTERS: Final = Section(
    "Clusters",
    "From the leader only, so that a sum over the replicas counts each cluster once. They disappear with "
    "their object, and there are at most 14 per cluster and 6 per worker group. The first three have the "
    "names, labels and meanings that dashboards for KubeRay use.",
    (
        *(CLUSTER_INFO, CLUSTER_PROVISIONED, CLUSTER_PROVISIONED_DURATION, CLUSTER_CONDITION),
        CLUSTER_GPU_SECONDS,
        *(GROUP_DESIRED, GROUP_RUNNING, GROUP_PENDING, GROUP_READY, GROUP_DRAINING, GROUP_HELD),
    ),
)
