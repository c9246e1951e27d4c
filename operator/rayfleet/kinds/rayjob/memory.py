"""What is remembered of one job between passes. Losing it in a restart costs time and evidence, no result."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct, field

from rayfleet.api.names import NodeType
from rayfleet.api.rayjob.status import JobDeploymentStatus, RayJobStatus
from rayfleet.engine.actions import Action
from rayfleet.kinds.rayjob.actions import CreateCluster
from rayfleet.kinds.rayjob.snapshot import JobSnapshot, Loss
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds

MOST_LOSSES: Final = 20
"""The latest ones count."""


class Valid(Struct, frozen=True):
    """What was valid together."""

    spec: bytes
    """As stored."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class GpuMeter(Struct, frozen=True):
    """The GPU time of a job up to one moment."""

    gpu_seconds: float
    at: float
    """Unix seconds."""
    gpus: int
    """GPUs held since then."""


class JobMemory(Struct):
    """The memory of one job."""

    last_valid: Valid | None = None
    """What was valid last."""
    absent: str = ""
    """The name of a cluster that does not exist, by the word of the API server."""
    losses: dict[str, Loss] = field(default_factory=dict)
    """By pod uid, the pods of the present attempt's cluster that were lost."""
    refused: str = ""
    """Why Ray has refused the job of the present attempt; empty if it has not."""
    attempt: int = 0
    """The attempt that `losses` and `heads` are about."""
    heads: dict[str, Pod] = field(default_factory=dict)
    """By uid, the heads that were there at the last look."""
    silent_since: float | None = None
    """Unix seconds since when nobody could be asked about a running job: its cluster has no head."""
    meter: GpuMeter | None = None
    """None until a cluster of its own was seen."""

    def see(self, attempt: int, pods: Iterable[Pod], now: float) -> None:
        """Take in the pods of the cluster: which have been lost since the last look."""
        if attempt != self.attempt:
            self.attempt, self.losses, self.heads, self.refused = attempt, {}, {}, ""
        there = {pod.uid: pod for pod in pods}
        for uid, pod in there.items():
            if uid not in self.losses and (reason := _reason(pod)):
                self._lose(pod, reason, now)
        for uid, pod in self.heads.items():
            if uid not in there and uid not in self.losses:
                self._lose(pod, "Deleted", now)
        self.heads = {uid: pod for uid, pod in there.items() if pod.node_type == NodeType.HEAD}

    def measure(self, status: RayJobStatus, pods: Iterable[Pod], now: float, *, is_clock_set: bool) -> None:
        """Take in which GPUs the job's own cluster holds; after a restart, for how long it has held them."""
        holding = [pod for pod in pods if pod.gpus and pod.node_name and pod.holds_devices]
        before, gpus = self.meter, sum(pod.gpus for pod in holding)
        if before is None:
            since = unix_seconds(status.gpu_seconds_time) or unix_seconds(status.start_time) or now
            used = sum(pod.gpus * max(now - max(since, pod.created), 0.0) for pod in holding)
            total = (status.gpu_seconds or 0.0) + used
        else:
            passed = 0.0 if is_clock_set else max(now - before.at, 0.0)
            total = before.gpu_seconds + before.gpus * passed
        self.meter = GpuMeter(total, now, gpus)

    def tried(self, action: Action) -> None:
        """What has been tried may have been done, although nobody has heard of that."""
        if isinstance(action, CreateCluster):
            self.absent = ""

    def listen(self, seen: JobSnapshot) -> None:
        """Note since when nobody could be asked about a job that Ray should have."""
        is_asked = seen.recorded.job_deployment_status == JobDeploymentStatus.RUNNING
        if not is_asked or seen.heard_of_head:
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = seen.now

    def _lose(self, pod: Pod, reason: str, now: float) -> None:
        is_head = pod.node_type == NodeType.HEAD
        self.losses[pod.uid] = Loss(pod.name, is_head, now, reason, pod.node_name, pod.head_epoch or 0)
        while len(self.losses) > MOST_LOSSES:
            del self.losses[next(iter(self.losses))]


def _reason(pod: Pod) -> str:
    """Why a pod is lost; empty if it is not, or was only deleted: workers come and go with the queue."""
    if pod.disruption:
        return pod.disruption
    if pod.end is not None and pod.ended:
        return pod.end.reason or "Ended"
    return "Deleted" if pod.deleting and pod.node_type == NodeType.HEAD else ""
