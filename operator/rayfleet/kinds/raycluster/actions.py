"""The actions of a pass over a RayCluster; each is carried out as a verb."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct

from rayfleet.api.raycluster import WorkerGroupSpec
from rayfleet.autoscaling import Decision
from rayfleet.engine.actions import Create, Delete, Handled, Patch, PatchRoot, PatchStatus, TakeOffFinalizer
from rayfleet.kube.objects.resources import PODS, SERVICES

_OTHER_SERVICE: Final = "remove it, or name another in spec.headGroupSpec.headService"
FINALIZER_REMEDY: Final = (
    "grant the right to patch RayClusters (finalizers.release in the chart's values), or remove it by hand"
)


class Cause(Enum):
    """Why a pod is created or deleted."""

    MISSING = "missing"
    """Its group has fewer pods than wanted."""
    REPLACEMENT = "replacement"
    """A head that replaces a lost one."""

    ENDED = "ended"
    """Its Ray container has ended for good, or it was evicted."""
    SURPLUS = "surplus"
    """Its group has more pods than wanted."""
    REQUESTED = "requested"
    """Its name, or that of a host of its replica, is in `scaleStrategy.workersToDelete`."""
    BROKEN_REPLICA = "part of a broken replica"
    """It is a host of a multi-host replica that has lost another host."""
    IDLE = "idle"
    """Ray has drained its node, as requested, because it was idle and not needed."""
    NOT_NEEDED = "not needed"
    """It has not joined Ray yet, and nothing waits for it any more."""
    RAY_ENDED = "Ray ended"
    """Its Ray node is dead, although the pod still runs."""
    GROUP_REMOVED = "group removed"
    CLUSTER_DELETED = "cluster deleted"
    """Its cluster is being deleted, and held until its pods are gone."""
    SUPERSEDED = "superseded"
    """A head of an older epoch than the current one."""


class AdvanceHeadEpoch(Struct, frozen=True):
    """Allow a new head, by a status write guarded by uid and resourceVersion."""

    epoch: int
    reason: str

    @property
    def verb(self) -> PatchStatus:
        return PatchStatus({"headEpoch": self.epoch})


class CreateService(Struct, frozen=True):
    """Create the Service of the head or of multi-host workers."""

    name: str
    body: Mapping[str, Any]
    reason: str

    @property
    def verb(self) -> Create:
        return Create(SERVICES, self.name, self.body, remedy=_OTHER_SERVICE)


class SelectHead(Struct, frozen=True):
    """Make the head's Service, identified by uid, select by exactly these labels."""

    name: str
    uid: str
    selector: Mapping[str, str]
    dropped: tuple[str, ...]
    """Labels that it no longer selects by."""
    reason: str

    @property
    def verb(self) -> Patch:
        return Patch(
            SERVICES,
            self.name,
            self.uid,
            {"spec": {"selector": {**self.selector, **dict.fromkeys(self.dropped)}}},
        )


class CreateSecret(Struct, frozen=True):
    """Create the Secret with the cluster's token, if missing. The token is generated where it is sent."""

    name: str
    body: Mapping[str, Any]
    token_key: str
    reason: str

    @property
    def verb(self) -> Handled:
        return Handled()


class CreatePod(Struct, frozen=True):
    """Create a head or worker pod. `group` is `headgroup` for a head."""

    node_type: str
    group: str
    name: str
    template_hash: str
    body: Mapping[str, Any]
    reason: str
    cause: Cause = Cause.MISSING
    replica: str = ""
    """Its multi-host replica, whose hosts are created together."""

    @property
    def verb(self) -> Create:
        return Create(PODS, self.name, self.body, self.template_hash, batch=self.group)


class DeletePod(Struct, frozen=True):
    """Delete one pod, by uid."""

    node_type: str
    group: str
    name: str
    uid: str
    cause: Cause
    reason: str
    replica: str = ""
    """Its multi-host replica, whose hosts are deleted together."""

    @property
    def verb(self) -> Delete:
        return Delete(PODS, self.name, self.uid)


class DrainNode(Struct, frozen=True):
    """Ask Ray to drain an idle node; Ray refuses if the node has become busy."""

    group: str
    pod: str
    node_id: bytes
    reason: str

    @property
    def verb(self) -> Handled:
        return Handled(takes_turn=False)


class Resize(NamedTuple):
    """A new value of one group's `replicas`."""

    place: int
    """The group's index in the spec."""
    group: str
    replicas: int


class ResizeGroups(Struct, frozen=True):
    """Write sizes to the spec and nothing else, and only if nobody has written to the object since."""

    changes: tuple[Resize, ...]
    reason: str

    @property
    def verb(self) -> PatchRoot:
        operations: list[Mapping[str, Any]] = []
        for place, group, replicas in self.changes:
            at = f"/spec/workerGroupSpecs/{place}"
            operations.append({"op": "test", "path": f"{at}/groupName", "value": group})
            operations.append({"op": "add", "path": f"{at}/replicas", "value": replicas})
        return PatchRoot(tuple(operations))


class RemoveFinalizer(Struct, frozen=True):
    """Release a deleted cluster that another operator's finalizer holds."""

    finalizer: str
    reason: str
    """What this leaves undone, as a message for whoever has to do it."""

    @property
    def verb(self) -> TakeOffFinalizer:
        return TakeOffFinalizer(self.finalizer, FINALIZER_REMEDY)


Action: TypeAlias = (
    AdvanceHeadEpoch
    | CreateService
    | SelectHead
    | CreateSecret
    | CreatePod
    | DeletePod
    | DrainNode
    | ResizeGroups
    | RemoveFinalizer
)


def desired_replicas(group: WorkerGroupSpec) -> int:
    """`replicas`, clamped to min and max; 0 for a suspended group."""
    if group.suspend:
        return 0
    return min(max(group.replicas, group.min_replicas), group.max_replicas)


class Plan(Struct, frozen=True):
    """One pass: deletes go out at once; a stage starts when every action of the previous one is done."""

    deletes: tuple[DeletePod, ...] = ()
    drains: tuple[DrainNode, ...] = ()
    select: SelectHead | None = None
    """Goes out at once, too: nothing else waits for its success."""
    resize: ResizeGroups | None = None
    """Written last, because it changes the object on which the rest was decided."""
    stages: tuple[tuple[Action, ...], ...] = ()
    head_epoch: int | None = None
    waits: tuple[str, ...] = ()
    """What is not done now, and why, as messages."""
    held: tuple[tuple[str, int], ...] = ()
    """How many pods of each group a ceiling keeps from being created."""
    held_gpus: int = 0
    """Their GPUs."""
    held_words: tuple[str, ...] = ()
    """The messages in `waits` that say so."""
    requeue_after: float | None = None
    """Seconds until something that only time changes is due."""
    not_acted_on: tuple[str, ...] = ()
    """What is set on the cluster but not acted on, as messages."""
    decision: Decision | None = None
    """The sizes of the groups by the queue; None if the cluster does not scale with it."""
    withheld: bool = False
    """Nothing is done for the cluster as a whole; its sizes stay as they were."""

    def replicas(self, group: WorkerGroupSpec) -> int:
        """How many replicas `group` should have."""
        if self.decision is not None:
            return self.decision.group(group.group_name).wanted
        return desired_replicas(group)

    def pods(self, group: WorkerGroupSpec) -> int:
        """The pods of all wanted replicas: a multi-host replica is several."""
        return self.replicas(group) * group.num_of_hosts

    @property
    def first(self) -> tuple[Action, ...]:
        """The actions that go out at once."""
        select = () if self.select is None else (self.select,)
        return (*self.deletes, *self.drains, *select)

    @property
    def last(self) -> tuple[Action, ...]:
        """The actions that go out when all others are done."""
        return () if self.resize is None else (self.resize,)

    @property
    def actions(self) -> tuple[Action, ...]:
        return (*self.first, *(action for stage in self.stages for action in stage), *self.last)
