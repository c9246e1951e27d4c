"""The clusters of a simulated job: what exists, and how it looks to the operator."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from rayfleet.api.names import SUBMITTER, NodeType
from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.api.raycluster.status import recorded
from rayfleet.kinds.rayjob.actions import GroupPlace
from rayfleet.kinds.rayjob.snapshot import ClusterFacts
from rayfleet.kube.objects.keys import Key, Owner
from rayfleet.kube.objects.pod_end import SubmitterEnd
from rayfleet.kube.objects.pod_readiness import READY
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.dashboard import JobDetails
from support.builders import NOW

JOB_UID = "0b000000-0000-4000-8000-000000000001"


class LiveCluster(Struct):
    """A cluster that exists."""

    name: str
    uid: str
    spec: Mapping[str, Any]
    owned: bool = True
    deleting: bool = False
    epoch: int = 0
    """How many heads it has had before."""
    lives: int = 0
    """How often Ray has begun anew here, in another pod or in the same one."""
    head: bool = True
    """Whether the pod of a head exists."""
    leaving: bool = False
    """That pod is being deleted."""
    ready: bool = False
    """Its pods are, and its dashboard answers."""
    since: float = NOW
    """When its workers came."""
    state: str = ""
    """In its status, if that does not follow from `ready`."""
    dead: bool = False
    """No other head comes."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    keeps_state: bool = False
    conditions: tuple[Mapping[str, str], ...] = ()
    """Other than those that follow from `ready`."""
    groups: tuple[Mapping[str, str], ...] = ()
    """What its status says of groups that are held."""
    sidecar: SubmitterEnd | None = None
    has_submitted: bool = False
    """That container has."""
    jobs: dict[str, JobDetails] = field(default_factory=dict)
    """What its present head knows, by submission id."""

    def copy(self) -> "LiveCluster":
        return replace(self, jobs=dict(self.jobs))

    def lose_head(self) -> None:
        """Its head is gone, with what it knew; another one comes later."""
        if self.head:
            self.dead = bool(self.submits)
            self.epoch += not self.dead
            self.lives += 1
            self.head = self.ready = self.leaving = False
            self.sidecar, self.jobs = None, self.jobs if self.keeps_state else {}

    @property
    def answers(self) -> bool:
        """Whether there is a head whose dashboard can be asked."""
        return self.head and self.ready and not self.leaving and not self.deleting

    @property
    def workers(self) -> list[Pod]:
        """Its worker pods, with one GPU each."""
        sizes = [
            (each["groupName"], each.get("replicas", 0))
            for each in self.spec.get("workerGroupSpecs", ())
            if self.ready and not each.get("suspend")
        ]
        return [
            pod_of(self, f"{self.name}-{group}-{n}", NodeType.WORKER, group, created=self.since, gpus=1)
            for group, size in sizes
            for n in range(size)
        ]

    @property
    def pods(self) -> list[Pod]:
        return [*([head_of(self)] if self.head else []), *self.workers]

    @property
    def submits(self) -> str:
        """The id of the job that a container next to its head submits; empty if there is none."""
        template = self.spec.get("headGroupSpec", {}).get("template", {})
        return submitted_id(template.get("spec", {}).get("containers", ()))


def submitted_id(containers: Iterable[Mapping[str, Any]]) -> str:
    """Which job the submitter among these containers submits."""
    for container in containers:
        if container["name"] == SUBMITTER:
            return str(next(v["value"] for v in container["env"] if v["name"] == "RAY_JOB_SUBMISSION_ID"))
    return ""


def facts_of(cluster: LiveCluster) -> ClusterFacts:
    """A cluster as a snapshot has it."""
    parsed, root = parse_spec(cluster.spec), root_of(cluster)
    groups = cluster.spec.get("workerGroupSpecs", ())
    return ClusterFacts(
        root=root,
        spec=parsed if isinstance(parsed, RayClusterSpec) else None,
        owned=cluster.owned,
        status=recorded(root.status),
        head=head_of(cluster) if cluster.head else None,
        pods=len(cluster.pods),
        gpus=sum(pod.gpus for pod in cluster.pods),
        keeps_state=cluster.keeps_state,
        refusal=cluster.refusal,
        dashboard=f"{cluster.name}-head-svc.ml.svc.cluster.local:8265" if cluster.ready else "",
        unsuspended=tuple(
            GroupPlace(i, g["groupName"]) for i, g in enumerate(groups) if not g.get("suspend")
        ),
    )


def head_of(cluster: LiveCluster) -> Pod:
    """The pod of its present head."""
    name = f"{cluster.name}-head-{cluster.epoch}"
    return pod_of(
        cluster,
        name,
        NodeType.HEAD,
        "headgroup",
        head_epoch=cluster.epoch,
        deleting=cluster.deleting or cluster.leaving,
        submitter=cluster.sidecar,
    )


def pod_of(cluster: LiveCluster, name: str, node_type: str, group: str, **fields: Any) -> Pod:
    """A running pod of a cluster."""
    usual = {"created": NOW, "deleting": cluster.deleting, "head_epoch": None}
    return Pod(
        namespace="ml",
        name=name,
        uid=f"{cluster.uid}-{name}",
        resource_version=1,
        owner=Owner("RayCluster", cluster.name, cluster.uid),
        node_type=node_type,
        group=group,
        phase="Running",
        readiness=READY,
        node_name="node-1",
        pod_ip="10.0.0.1",
        index=0,
        template_hash="",
        **usual | fields,
    )


def root_of(cluster: LiveCluster) -> Root:
    """A cluster as it is stored."""
    yes = "True" if cluster.ready else "False"
    conditions = [{"type": "HeadPodReady", "status": yes}, {"type": "Ready", "status": yes}]
    given, had = {each["type"] for each in cluster.conditions}, cluster.head or cluster.dead
    return Root(
        key=Key("RayCluster", "ml", cluster.name),
        uid=cluster.uid,
        resource_version=1,
        generation=1,
        deleting=cluster.deleting,
        labels={},
        annotations=cluster.annotations,
        spec=cluster.spec,
        status={
            "state": cluster.state or ("ready" if cluster.ready else ""),
            "head": {"serviceName": f"{cluster.name}-head-svc", "podIP": "10.0.0.1" if had else ""},
            "conditions": [*(c for c in conditions if c["type"] not in given), *cluster.conditions],
            "workerGroups": list(cluster.groups),
        },
        owner=Owner("RayJob", "train", JOB_UID) if cluster.owned else None,
    )
