"""What one decision about a RayJob depends on, as values."""

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from rayfleet.api.names import SIDECAR_MODE, Label
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.api.rayjob import RayJobSpec
from rayfleet.api.rayjob.status import RayJobStatus, recorded
from rayfleet.api.violation import Violation
from rayfleet.kinds.rayjob.actions import GroupPlace
from rayfleet.kinds.rayjob.settings import DEFAULT, JobSettings
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.dashboard import JobDetails


class Loss(Struct, frozen=True):
    """A pod of the cluster that ended while the attempt ran."""

    pod: str
    is_head: bool
    at: float
    """Unix seconds when it was seen."""
    reason: str
    """`OOMKilled`, `Evicted`, a disruption's reason, or `Deleted`."""
    node: str = ""
    head_epoch: int = 0
    """Which head it was."""


class ClusterFacts(Struct, frozen=True):
    """A cluster that exists."""

    root: Root
    spec: RayClusterSpec | None
    """None if its spec is not valid."""
    owned: bool
    """It is a child of this job."""
    status: RayClusterStatus
    head: Pod | None = None
    """The pod of its newest head."""
    pods: int = 0
    """Pods that exist, also those that are being deleted."""
    gpus: int = 0
    """GPUs that its pods hold."""
    keeps_state: bool = False
    """Whether another head goes on with the state of the last one: GCS fault tolerance."""
    refusal: str = ""
    """Why its spec or a template is refused for good; else empty."""
    dashboard: str = ""
    """Host and port of the dashboard, as the head's Service has them; empty if it has no head Service yet."""
    unsuspended: tuple[GroupPlace, ...] = ()
    """Worker groups that are not suspended."""

    @property
    def name(self) -> str:
        return self.root.key.name

    @property
    def uid(self) -> str:
        return self.root.uid

    @property
    def deleting(self) -> bool:
        return self.root.deleting

    @property
    def head_epoch(self) -> int:
        """Which head it has: how many it had before; 0 if there is none."""
        return 0 if self.head is None else self.head.head_epoch or 0

    @property
    def scales(self) -> bool:
        """Whether it is scaled with its queue."""
        return self.spec is not None and self.spec.enable_in_tree_autoscaling


class NoCluster(Struct, frozen=True):
    """No cluster of the name is known."""

    confirmed: bool
    """Whether the API server has said so. A cache may be behind."""


Cluster: TypeAlias = ClusterFacts | NoCluster


class SubmitterFacts(Struct, frozen=True):
    """The submitter's Job."""

    name: str
    uid: str
    deleting: bool = False
    succeeded: bool = False
    failed: bool = False
    reason: str = ""
    message: str = ""
    finished: float = 0.0
    """Unix seconds when it succeeded or failed; 0 if it has not."""

    @property
    def has_finished(self) -> bool:
        return self.succeeded or self.failed


class ServiceFacts(Struct, frozen=True):
    """The job's own head Service."""

    name: str
    uid: str
    selector: Mapping[str, str]


class Found(Struct, frozen=True):
    """Ray knows the job."""

    details: JobDetails


class JobUnknown(Struct, frozen=True):
    """Ray answers that it does not know the job."""


class Unreachable(Struct, frozen=True):
    """The dashboard cannot be asked."""

    since: float
    """Unix seconds since when this process has tried in vain."""
    why: str


RayAnswer: TypeAlias = Found | JobUnknown | Unreachable


class Heard(Struct, frozen=True):
    """Ray's last answer about the job, and whose it is."""

    answer: RayAnswer
    asked: float
    """Unix seconds when it was asked for."""
    cluster_uid: str
    head_epoch: int


class JobSnapshot(Struct, frozen=True):
    """Everything known about a job at one moment."""

    job: Root
    """As stored, except that its spec, labels and annotations are those that are acted on."""
    spec: RayJobSpec
    """What is acted on: the stored spec, or as long as that is not valid, the last valid one."""
    violations: tuple[Violation, ...]
    """What is wrong with the stored spec."""
    now: float
    is_whole: bool = True
    """Whether `spec` says what to run and where. If not, it has only the rules that the status has kept."""
    cluster: Cluster | None = None
    """The cluster that the status names; None if it names none."""
    submitter: SubmitterFacts | None = None
    service: ServiceFacts | None = None
    heard: Heard | None = None
    """None if Ray has not been asked about this attempt."""
    losses: tuple[Loss, ...] = ()
    refused: str = ""
    """Why Ray has refused the job; empty if it has not."""
    silent_since: float | None = None
    """Unix seconds since when this process could ask nobody about a running job; None if it could."""
    gpu_seconds: float | None = None
    """GPU time of all attempts up to now; None if it is not known, or does not count any more."""
    other_operator: str | None = None
    settings: JobSettings = DEFAULT

    @property
    def recorded(self) -> RayJobStatus:
        """The stored status."""
        return recorded(self.job.status)

    @property
    def heard_of_head(self) -> Heard | None:
        """Ray's last answer, if it is of the cluster's present head."""
        heard, cluster = self.heard, self.cluster
        if heard is None or not isinstance(cluster, ClusterFacts) or cluster.head is None:
            return None
        is_of_this = (heard.cluster_uid, heard.head_epoch) == (cluster.uid, cluster.head_epoch)
        return heard if is_of_this else None

    @property
    def answer(self) -> RayAnswer | None:
        """What the present head says. Without one that can be asked, it cannot be reached after a while."""
        if (heard := self.heard_of_head) is not None:
            return heard.answer
        if self.silence < self.settings.least_tries or self.silent_since is None:
            return None
        return Unreachable(self.silent_since, "its cluster has no head that can be asked")

    @property
    def silence(self) -> float:
        """Seconds for which this process could ask nobody about a running job."""
        return 0.0 if self.silent_since is None else self.now - self.silent_since

    @property
    def submitting(self) -> SubmitterFacts | None:
        """Whoever submits the job: its own Job, or a container next to the head once that has ended."""
        if self.submitter is not None or not isinstance(self.cluster, ClusterFacts):
            return self.submitter
        head = self.cluster.head
        end = None if head is None else head.submitter
        if head is None or end is None:
            return None
        succeeded = end.exit_code == 0
        reason = f"its container has ended with code {end.exit_code}"
        return SubmitterFacts(
            head.name, head.uid, False, succeeded, not succeeded, reason, end.message, end.at
        )


def is_sidecar(spec: RayJobSpec) -> bool:
    """Whether a container next to the head submits the job, as soon as the head is up."""
    return spec.submission_mode == SIDECAR_MODE


def is_meant(seen: JobSnapshot, cluster: ClusterFacts) -> bool:
    """Whether a cluster is the job's own, or the one that its spec selects; a status may name any other."""
    return cluster.owned or (bool(cluster.name) and cluster.name == selected_cluster(seen.spec))


def selected_cluster(spec: RayJobSpec) -> str:
    """The name of the existing cluster that the job uses; empty if it gets one of its own."""
    return spec.cluster_selector.get(Label.CLUSTER, "")
