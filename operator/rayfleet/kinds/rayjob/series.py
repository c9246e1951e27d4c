"""The metric series of jobs as lines of text, built from the caches.

An ended job has three, and two more while its cluster is there. A job under way has three or four, and one
more while its dashboard is silent.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from rayfleet.api.names import KIND, is_object_name
from rayfleet.api.raycluster.status import ConditionType, HeldReason
from rayfleet.api.raycluster.status import recorded as recorded_cluster
from rayfleet.api.rayjob.status import (
    TERMINAL_JOB_STATUSES,
    JobConditionType,
    JobDeploymentStatus,
    JobStatus,
    RayJobStatus,
    recorded,
)
from rayfleet.kinds.rayjob.accounts import JobAccounts
from rayfleet.kube.cache import Glance, RootStore, Store
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds
from rayfleet.telemetry.metrics import job_definitions as definitions
from rayfleet.telemetry.metrics.lines import Line, escaped, line

_STATES: Final = frozenset(JobDeploymentStatus)
_GROUP_REASONS: Final = frozenset(HeldReason)
_HELD_REASONS: Final = frozenset({"NoRule", "Kept", "KeptByRule", "Going"})
OTHER: Final = "Other"
"""Stands for a text that we do not write: whoever may write a status may write any."""


class JobSeries(Struct, frozen=True):
    """Where the series of a job come from."""

    clusters: RootStore
    pods: Store[Pod]
    accounts: JobAccounts
    now: Callable[[], float]
    """Unix seconds."""

    def lines(self, job: Glance) -> Iterator[Line]:
        """Every series of one job."""
        place = f'name="{job.key.name}",namespace="{job.key.namespace}"'
        identity = f'{place},uid="{job.uid}"'
        status = recorded(job.status)
        state = status.job_deployment_status
        shown = state if state in _STATES else OTHER
        yield line(definitions.JOB_INFO, identity, 1)
        yield line(definitions.JOB_DEPLOYMENT_STATUS, f'{identity},deployment_status="{shown}"', 1)
        yield from self._execution(job, identity, status)
        if status.has_ended:
            yield from self._held(job, place, status)
            return
        yield from self._waiting(job.key.namespace, place, status)
        silent = unix_seconds(status.job_status_check_failure_start_time)
        if silent and state == JobDeploymentStatus.RUNNING:
            yield line(definitions.JOB_DASHBOARD_UNREACHABLE, place, self._since(silent))

    def _execution(self, job: Glance, identity: str, status: RayJobStatus) -> Iterator[Line]:
        """The last attempt that has ended."""
        if status.has_ended:
            state, before = status.job_deployment_status, status.failed or 0
            before -= state == JobDeploymentStatus.FAILED
            seconds = max(unix_seconds(status.end_time) - unix_seconds(status.start_time), 0.0)
            if not status.start_time or not status.end_time:
                return
        else:
            known = self.accounts.retried(job.key, job.uid)
            if known is None:
                return
            state, (seconds, before) = JobDeploymentStatus.RETRYING, known
        labels = f'{identity},job_deployment_status="{state}",retry_count="{max(before, 0)}"'
        yield line(definitions.JOB_EXECUTION_DURATION, labels, seconds)

    def _held(self, job: Glance, place: str, status: RayJobStatus) -> Iterator[Line]:
        """What the cluster of a job that has ended still holds; nothing if it is gone, or another's."""
        held = status.condition(JobConditionType.RESOURCES_HELD)
        key = Key(KIND, job.key.namespace, status.ray_cluster_name)
        owner = self.clusters.owner(key)
        if held is None or not held.holds or owner is None or owner.uid != job.uid:
            return
        gpus = sum(pod.gpus for pod in self.pods.owned_by(key) if pod.holds_devices)
        labels = f'{place},reason="{held.reason if held.reason in _HELD_REASONS else OTHER}"'
        yield line(definitions.JOB_GPUS_HELD, labels, gpus)
        seconds = gpus * self._since(unix_seconds(status.end_time))
        yield line(definitions.JOB_HELD_GPU_SECONDS, labels, seconds)

    def _waiting(self, namespace: str, place: str, status: RayJobStatus) -> Iterator[Line]:
        """What an attempt waits for, and since when."""
        name = status.ray_cluster_name if is_object_name(status.ray_cluster_name) else ""
        reason = self._reason(Key(KIND, namespace, name), status)
        since = status.start_time
        if status.job_deployment_status == JobDeploymentStatus.RETRYING:
            since = status.verdict.time
        if reason and since:
            labels = f'{place},cluster="{name}",reason="{escaped(reason)}"'
            yield line(definitions.JOB_WAITING, labels, self._since(unix_seconds(since)))

    def _reason(self, cluster: Key, status: RayJobStatus) -> str:
        """What an attempt waits for; empty if for nothing but its own program."""
        match status.job_deployment_status:
            case JobDeploymentStatus.INITIALIZING:
                return self._reason_of(cluster)
            case JobDeploymentStatus.WAITING:
                return "User"
            case JobDeploymentStatus.RETRYING:
                return "NextAttempt"
            case JobDeploymentStatus.RUNNING:
                return _reason_in_ray(status)
            case _:
                return ""

    def _reason_of(self, key: Key) -> str:
        """Why a cluster is not ready."""
        cluster = self.clusters.glance(key)
        if cluster is None:
            return "NoCluster"
        status = recorded_cluster(cluster.status)
        for group in status.worker_groups:
            if group.reason in _GROUP_REASONS:
                return group.reason
        ready = status.condition(ConditionType.READY)
        return ready.reason if ready is not None and not ready.holds else "Starting"

    def _since(self, then: float) -> float:
        """Whole seconds."""
        return max(round(self.now() - then), 0)


def _reason_in_ray(status: RayJobStatus) -> str:
    if status.job_status == JobStatus.RUNNING or status.job_status in TERMINAL_JOB_STATUSES:
        return ""
    if status.job_status_check_failure_start_time is not None:
        return "DashboardUnreachable"
    return "Driver" if status.job_status else "Submission"
