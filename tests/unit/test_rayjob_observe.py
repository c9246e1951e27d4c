"""From the caches to what a decision about a job depends on."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from rayfleet.engine.kind import Look
from rayfleet.kinds.rayjob.followers import Followers
from rayfleet.kinds.rayjob.memory import JobMemory
from rayfleet.kinds.rayjob.observe import JobView
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, JobSnapshot, NoCluster
from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.objects.batch_jobs import BatchJob
from rayfleet.kube.objects.keys import Key, Owner
from rayfleet.kube.objects.pod_end import SubmitterEnd
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.services import Service
from support.builders import NOW
from support.job_cluster import JOB_UID, LiveCluster, head_of, pod_of
from support.job_world import job_spec

KEY = Key("RayJob", "ml", "train")
CLUSTER = Key("RayCluster", "ml", "train-abcde")


Json: TypeAlias = Mapping[str, Any]


class Bed:
    """The caches of one job and its cluster."""

    def __init__(self) -> None:
        self.jobs, self.clusters = RootStore("RayJob"), RootStore("RayCluster")
        self.pods = Store(Pod, ("RayCluster",))
        self.submitters = Store(BatchJob, ("RayJob",))
        self.followers = Followers()
        self.version = 1000
        self.memory = JobMemory()
        services: Store[Service] = Store(Service, ("RayJob", "RayCluster"))
        self.view = JobView(
            self.jobs,
            self.clusters,
            self.pods,
            self.submitters,
            services,
            lambda _key, _id: None,
            self.followers,
            "cluster.local",
        )

    def stored(self, kind: str, spec: Json, status: Json | None = None, **metadata: Any) -> None:
        """The API server has this object now."""
        self.version += 1
        key = KEY if kind == "RayJob" else CLUSTER
        names = {"namespace": key.namespace, "name": key.name, "uid": JOB_UID if kind == "RayJob" else "c1"}
        metadata = {**names, "resourceVersion": str(self.version), "generation": self.version, **metadata}
        store = self.jobs if kind == "RayJob" else self.clusters
        store.apply({"kind": kind, "metadata": metadata, "spec": spec, "status": status or {}})

    def cluster(self, **metadata: Any) -> None:
        """The job has a cluster."""
        owner = {"kind": "RayJob", "name": "train", "uid": JOB_UID, "controller": True}
        self.stored("RayCluster", job_spec()["rayClusterSpec"], ownerReferences=[owner], **metadata)

    def keep(self, *pods: Pod) -> None:
        for pod in pods:
            self.version += 1
            self.pods.apply(replace(pod, resource_version=self.version))

    def look(self, at: float = NOW, *, is_clock_set: bool = False) -> JobSnapshot:
        """Learn, and observe."""
        job = self.jobs.get(KEY)
        assert job is not None
        self.view.learn(job, self.memory, Look(at, at, is_clock_set=is_clock_set))
        return self.view.snapshot(job, self.memory, None, at)


LIVE = LiveCluster(CLUSTER.name, "c1", job_spec()["rayClusterSpec"], ready=True)
RUNNING = {
    "jobDeploymentStatus": "Running",
    "rayClusterName": CLUSTER.name,
    "jobId": "j",
    "attempt": 1,
    "keptRules": {"shutdownAfterJobFinishes": True},
}


def running(**metadata: Any) -> Bed:
    bed = Bed()
    bed.stored("RayJob", job_spec(), RUNNING, **metadata)
    bed.cluster()
    bed.keep(*LIVE.pods)
    return bed


def test_a_valid_spec_is_acted_on_as_it_is_stored() -> None:
    seen = running().look()
    assert (seen.is_whole, seen.violations, seen.spec.entrypoint) == (True, (), "python train.py")
    assert seen.job.spec == job_spec()


def test_the_last_valid_spec_is_acted_on_with_the_labels_and_annotations_of_that_time() -> None:
    """Children are made from all three."""
    bed = running(labels={"team": "a"}, annotations={"note": "x"})
    bed.look()
    bed.stored("RayJob", job_spec(entrypoint=7), RUNNING, labels={"team": "b"}, annotations={})
    seen = bed.look()
    assert (seen.is_whole, len(seen.violations)) == (True, 1)
    assert seen.job.spec == job_spec()
    assert (seen.job.labels, seen.job.annotations) == ({"team": "a"}, {"note": "x"})
    assert seen.job.generation == bed.version


def test_after_a_restart_the_rules_in_the_status_are_acted_on() -> None:
    bed = running()
    bed.stored("RayJob", job_spec(entrypoint=7), RUNNING)
    seen = bed.look()
    assert (seen.is_whole, seen.spec.shutdown_after_job_finishes, seen.spec.entrypoint) == (False, True, "")


def test_a_cluster_is_the_jobs_by_uid() -> None:
    seen = running().look()
    assert isinstance(seen.cluster, ClusterFacts)
    assert (seen.cluster.owned, seen.cluster.gpus, seen.cluster.head_epoch) == (True, 3, 0)
    bed = running()
    bed.stored("RayCluster", job_spec()["rayClusterSpec"])
    other = bed.look()
    assert isinstance(other.cluster, ClusterFacts)
    assert not other.cluster.owned
    assert other.gpu_seconds == 0


def test_only_gpus_on_nodes_are_held() -> None:
    bed = running()
    waits = pod_of(LIVE, "w-9", "worker", "gpu", gpus=8)
    bed.keep(replace(waits, node_name="", phase="Pending"))
    cluster = bed.look().cluster
    assert isinstance(cluster, ClusterFacts)
    assert (cluster.gpus, cluster.pods) == (3, 5)


def test_gpu_time_is_counted_between_looks_and_over_a_clock_that_is_set() -> None:
    bed = running()
    bed.look(NOW)
    assert bed.look(NOW + 10).gpu_seconds == 30
    assert bed.look(NOW + 9000, is_clock_set=True).gpu_seconds == 30
    for pod in LIVE.pods:
        bed.pods.remove(pod.namespace, pod.name, pod.uid)
    assert bed.look(NOW + 9010).gpu_seconds == 60
    assert bed.look(NOW + 9999).gpu_seconds == 60


def test_the_head_of_the_highest_epoch_counts() -> None:
    bed = running()
    later = LIVE.copy()
    later.epoch = 1
    bed.keep(replace(head_of(LIVE), deleting=True), head_of(later))
    cluster = bed.look().cluster
    assert isinstance(cluster, ClusterFacts)
    assert cluster.head_epoch == 1
    assert [(loss.pod, loss.head_epoch) for loss in bed.look().losses] == [("train-abcde-head-0", 0)]


def test_a_container_that_has_ended_next_to_the_head_is_a_submitter() -> None:
    bed = running()
    assert bed.look().submitting is None
    bed.keep(replace(head_of(LIVE), submitter=SubmitterEnd(65, NOW, "Ray refuses the job")))
    submitting = bed.look().submitting
    assert submitting is not None
    assert (submitting.failed, submitting.message) == (True, "Ray refuses the job")
    assert submitting.reason == "its container has ended with code 65"


def test_a_kubernetes_job_of_its_name_is_its_submitter_only_by_uid() -> None:
    bed = running()
    job = BatchJob("ml", "train", "s", 1, Owner("RayJob", "train", "an-earlier-one"), deleting=False)
    bed.submitters.apply(job)
    assert bed.look().submitter is None
    bed.submitters.apply(replace(job, owner=Owner("RayJob", "train", JOB_UID), resource_version=2))
    assert bed.look().submitter is not None


def test_a_cluster_that_is_not_in_the_cache_is_gone_only_by_the_word_of_the_api_server() -> None:
    bed = running()
    bed.clusters.remove(CLUSTER, "c1")
    assert bed.look().cluster == NoCluster(confirmed=False)
    bed.memory.absent = CLUSTER.name
    assert bed.look().cluster == NoCluster(confirmed=True)
    bed.cluster(uid="c2")
    bed.look()
    bed.clusters.remove(CLUSTER, "c2")
    assert bed.look().cluster == NoCluster(confirmed=False)


def test_a_job_is_woken_with_the_cluster_that_its_status_names() -> None:
    bed = running()
    bed.look()
    assert tuple(bed.followers.of(CLUSTER)) == (KEY,)
    bed.stored("RayJob", job_spec(), {"jobDeploymentStatus": "Suspended"})
    bed.look()
    assert tuple(bed.followers.of(CLUSTER)) == ()
