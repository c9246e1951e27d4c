"""From the caches to a snapshot: it reads, and decides nothing."""

from collections.abc import Callable
from typing import Final, TypeAlias

import orjson
from msgspec import Struct, field
from msgspec.structs import replace

from rayfleet.api.names import KIND, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster import parse_spec as parse_cluster
from rayfleet.api.raycluster.status import ConditionType, RayClusterStatus
from rayfleet.api.raycluster.status import recorded as recorded_cluster
from rayfleet.api.rayjob import RayJobSpec, parse_spec, spec_of, validate
from rayfleet.api.rayjob.status import recorded
from rayfleet.api.violation import Violation
from rayfleet.engine.kind import Look
from rayfleet.kinds.rayjob.actions import GroupPlace
from rayfleet.kinds.rayjob.followers import Followers
from rayfleet.kinds.rayjob.manifests.names import dashboard_url, service_name
from rayfleet.kinds.rayjob.memory import JobMemory, Valid
from rayfleet.kinds.rayjob.settings import DEFAULT, JobSettings
from rayfleet.kinds.rayjob.snapshot import (
    Cluster,
    ClusterFacts,
    Heard,
    JobSnapshot,
    NoCluster,
    ServiceFacts,
    SubmitterFacts,
)
from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.cache.recent import Recent
from rayfleet.kube.objects.batch_jobs import BatchJob
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.kube.objects.services import Service

PARSED: Final = 128
"""Different specs kept parsed and checked. Jobs made from one template do not share theirs: names differ."""
LARGEST_PARSED: Final = 4 << 20
_Judged: TypeAlias = tuple[RayJobSpec | None, tuple[Violation, ...]]


class JobView(Struct, frozen=True):
    """The caches in which jobs are observed."""

    jobs: RootStore
    clusters: RootStore
    pods: Store[Pod]
    submitters: Store[BatchJob]
    services: Store[Service]
    heard: Callable[[Key, str], Heard | None]
    """Ray's last answer about a job, by its key and submission id."""
    followers: Followers
    cluster_domain: str
    settings: JobSettings = DEFAULT
    _judged: Recent[Key, tuple[object, _Judged]] = field(
        default_factory=lambda: Recent(PARSED, LARGEST_PARSED)
    )
    _parsed: Recent[bytes, RayClusterSpec | tuple[Violation, ...]] = field(
        default_factory=lambda: Recent(PARSED, LARGEST_PARSED)
    )

    def learn(self, job: Root, memory: JobMemory, moment: Look) -> None:
        """Record the losses and the GPUs of its cluster, and which spec was valid last."""
        status = recorded(job.status)
        spec, violations = self._judge(job)
        stored = self.jobs.stored_spec(job.key)
        if spec is not None and not violations and stored is not None:
            memory.last_valid = Valid(stored, job.labels, job.annotations)
        if moment.is_clock_set:  # What has lasted since before that cannot be told.
            memory.silent_since = None
        key = Key(KIND, job.key.namespace, status.ray_cluster_name)
        self.followers.note(job.key, key if status.ray_cluster_name else None)
        if status.ray_cluster_name and not status.has_ended:
            pods = self.pods.owned_by(key)
            memory.see(status.attempt or 0, pods, moment.now)
            own = pods if self._is_own(job, key) else ()
            memory.measure(status, own, moment.now, is_clock_set=moment.is_clock_set)
        if key in self.clusters:
            memory.absent = ""

    def snapshot(self, job: Root, memory: JobMemory, other_operator: str | None, now: float) -> JobSnapshot:
        """Everything known about a job. Observing changes nothing."""
        status, namespace = recorded(job.status), job.key.namespace
        spec, violations = self._judge(job)
        is_whole = spec is not None and not violations
        if not is_whole:
            job, spec = _last_valid(job, memory)
            is_whole = spec is not None
        name = status.ray_cluster_name
        cluster_key = Key(KIND, namespace, name)
        return JobSnapshot(
            job=job,
            spec=spec_of(status.kept_rules) if spec is None else spec,
            violations=violations,
            now=now,
            is_whole=is_whole,
            cluster=self._cluster(job, cluster_key, memory) if name else None,
            submitter=self._submitter(job),
            service=self._service(job),
            heard=self.heard(job.key, status.job_id) if name and status.job_id else None,
            losses=tuple(memory.losses.values()),
            refused=memory.refused,
            silent_since=memory.silent_since,
            gpu_seconds=None if memory.meter is None or status.has_ended else memory.meter.gpu_seconds,
            other_operator=other_operator,
            settings=self.settings,
        )

    def _judge(self, job: Root) -> _Judged:
        judged = (self.jobs.stored_spec(job.key), job.labels, job.annotations)
        known = self._judged.get(job.key)
        if known is None or known[0] != judged:
            parsed = parse_spec(job.spec)
            known = judged, _judgement(job, parsed)
            self._judged.put(job.key, known, len(judged[0] or b""))
        return known[1]

    def _is_own(self, job: Root, key: Key) -> bool:
        cluster = self.clusters.get(key)
        return cluster is not None and cluster.owner is not None and cluster.owner.uid == job.uid

    def _cluster(self, job: Root, key: Key, memory: JobMemory) -> Cluster:
        cluster = self.clusters.get(key)
        if cluster is None:
            return NoCluster(confirmed=memory.absent == key.name)
        pods = [
            pod for pod in self.pods.owned_by(key) if pod.owner is not None and pod.owner.uid == cluster.uid
        ]
        status = recorded_cluster(cluster.status)
        return ClusterFacts(
            root=cluster,
            spec=self._cluster_spec(cluster),
            owned=cluster.owner is not None and cluster.owner.uid == job.uid,
            status=status,
            head=_head(pods),
            pods=len(pods),
            gpus=sum(pod.gpus for pod in pods if pod.node_name and pod.holds_devices),
            refusal=_refusal(cluster),
            dashboard=self._dashboard(cluster, status),
            unsuspended=_unsuspended(cluster),
        )

    def _cluster_spec(self, cluster: Root) -> RayClusterSpec | None:
        stored = self.clusters.stored_spec(cluster.key) or b""
        known = self._parsed.get(stored)
        if known is None:
            known = parse_cluster(cluster.spec)
            self._parsed.put(stored, known, len(stored))
        return known if isinstance(known, RayClusterSpec) else None

    def _dashboard(self, cluster: Root, status: RayClusterStatus) -> str:
        spec = self._cluster_spec(cluster)
        if spec is None or not status.head.service_name:
            return ""
        return dashboard_url(cluster, spec, self.cluster_domain)

    def _submitter(self, job: Root) -> SubmitterFacts | None:
        for each in self.submitters.owned_by(job.key):
            if each.owner is not None and each.owner.uid == job.uid and each.name == job.key.name:
                return SubmitterFacts(
                    each.name,
                    each.uid,
                    each.deleting,
                    each.succeeded,
                    each.failed,
                    each.reason,
                    each.message,
                    each.finished,
                )
        return None

    def _service(self, job: Root) -> ServiceFacts | None:
        name = service_name(job)
        for each in self.services.owned_by(job.key):
            if each.owner is not None and each.owner.uid == job.uid and each.name == name:
                return ServiceFacts(each.name, each.uid, dict(each.selector))
        return None


def _judgement(job: Root, parsed: RayJobSpec | tuple[Violation, ...]) -> _Judged:
    if not isinstance(parsed, RayJobSpec):
        return None, parsed
    return parsed, validate(parsed, name=job.key.name, labels=job.labels, annotations=job.annotations)


def _last_valid(job: Root, memory: JobMemory) -> tuple[Root, RayJobSpec | None]:
    """The job as it was when it was valid last, and its spec then; as it is, and None, if that is unknown."""
    known = memory.last_valid
    if known is None:
        return job, None
    spec = orjson.loads(known.spec)
    parsed = parse_spec(spec)
    as_it_was = replace(job, spec=spec, labels=known.labels, annotations=known.annotations)
    return (as_it_was, parsed) if isinstance(parsed, RayJobSpec) else (job, None)


def _head(pods: list[Pod]) -> Pod | None:
    """The head of the highest epoch."""
    heads = [pod for pod in pods if pod.node_type == NodeType.HEAD]
    return max(heads, key=lambda pod: (pod.head_epoch or 0, pod.created), default=None)


def _refusal(cluster: Root) -> str:
    """The message of `Valid=False`, if it is about the present spec."""
    valid = recorded_cluster(cluster.status).condition(ConditionType.VALID)
    if valid is None or valid.status != "False" or valid.observed_generation != cluster.generation:
        return ""
    return valid.message


def _unsuspended(cluster: Root) -> tuple[GroupPlace, ...]:
    groups = cluster.spec.get("workerGroupSpecs") or ()
    return tuple(
        GroupPlace(place, str(group.get("groupName")))
        for place, group in enumerate(groups)
        if not group.get("suspend")
    )
