"""The actions of a pass over a RayJob; each is carried out as a verb."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct

from rayfleet.api.names import Finalizer
from rayfleet.api.rayjob.status import Submission
from rayfleet.engine.actions import (
    Create,
    Delete,
    Handled,
    JsonPatch,
    Patch,
    PatchStatus,
    PutOnFinalizer,
    TakeOffFinalizer,
)
from rayfleet.kinds.raycluster.served import RAYCLUSTERS
from rayfleet.kinds.rayjob.served import RAYJOBS
from rayfleet.kube.objects.resources import JOBS, SERVICES

_GRANT: Final = "grant the right to patch RayJobs, or remove it by hand"
_RENAME: Final = "remove it, or create this RayJob under another name"


class CreateCluster(Struct, frozen=True):
    """Create the cluster of an attempt. Its name follows from the attempt, so it cannot come twice."""

    name: str
    body: Mapping[str, Any]
    reason: str

    @property
    def verb(self) -> Create:
        return Create(RAYCLUSTERS, self.name, self.body, remedy=_RENAME)


class DeleteCluster(Struct, frozen=True):
    """Delete the cluster of an attempt, by uid."""

    name: str
    uid: str
    reason: str

    @property
    def verb(self) -> Delete:
        return Delete(RAYCLUSTERS, self.name, self.uid)


class CreateSubmitter(Struct, frozen=True):
    """Create the Kubernetes Job that submits. One for another submission does not count as created."""

    name: str
    body: Mapping[str, Any]
    template_hash: str
    reason: str

    @property
    def verb(self) -> Create:
        return Create(JOBS, self.name, self.body, self.template_hash, remedy=_RENAME)


class DeleteSubmitter(Struct, frozen=True):
    """Delete the Kubernetes Job that submits, by uid, with its pods."""

    name: str
    uid: str
    reason: str

    @property
    def verb(self) -> Delete:
        return Delete(JOBS, self.name, self.uid)


class CreateJobService(Struct, frozen=True):
    """Create the Service that leads to the head of the present attempt."""

    name: str
    body: Mapping[str, Any]
    reason: str

    @property
    def verb(self) -> Create:
        return Create(SERVICES, self.name, self.body, remedy=_RENAME)


class PatchJobService(Struct, frozen=True):
    """Make that Service, identified by uid, lead to the head of another cluster."""

    name: str
    uid: str
    changes: Mapping[str, Any]
    reason: str

    @property
    def verb(self) -> Patch:
        return Patch(SERVICES, self.name, self.uid, self.changes)


class GroupPlace(NamedTuple):
    """One worker group of a cluster."""

    place: int
    """Its index in the spec."""
    name: str


class SuspendGroups(Struct, frozen=True):
    """Take all pods of these groups of a cluster; the head stays."""

    cluster: str
    uid: str
    groups: tuple[GroupPlace, ...]
    reason: str

    @property
    def verb(self) -> JsonPatch:
        operations: list[Mapping[str, Any]] = []
        for place, name in self.groups:
            at = f"/spec/workerGroupSpecs/{place}"
            operations.append({"op": "test", "path": f"{at}/groupName", "value": name})
            operations.append({"op": "add", "path": f"{at}/suspend", "value": True})
        return JsonPatch(RAYCLUSTERS, self.cluster, self.uid, tuple(operations))


class SubmitJob(Struct, frozen=True):
    """Give the job to one head of a cluster, and to no other one."""

    cluster: str
    cluster_uid: str
    head_epoch: int
    job_id: str
    body: Mapping[str, Any]
    reason: str

    @property
    def verb(self) -> Handled:
        return Handled(takes_turn=False, may_hang=True)


class StopJob(Struct, frozen=True):
    """Ask Ray to stop the job."""

    cluster: str
    cluster_uid: str
    job_id: str
    reason: str

    @property
    def verb(self) -> Handled:
        return Handled(takes_turn=False, may_hang=True)


class DeleteSelf(Struct, frozen=True):
    """Delete the RayJob itself, by uid; its children go with it."""

    name: str
    uid: str
    reason: str

    @property
    def verb(self) -> Delete:
        return Delete(RAYJOBS, self.name, self.uid)


class RecordSubmission(Struct, frozen=True):
    """Record which head gets the job, before it gets it, by a guarded status write."""

    submission: Submission
    reason: str

    @property
    def verb(self) -> PatchStatus:
        return PatchStatus({"submission": dict(self.submission.wire)})


class AddJobFinalizer(Struct, frozen=True):
    """Hold a job in its deletion until it is stopped in Ray: its cluster stays when it goes."""

    reason: str

    @property
    def verb(self) -> PutOnFinalizer:
        return PutOnFinalizer(Finalizer.RAYJOB)


class RemoveJobFinalizer(Struct, frozen=True):
    """Let a deleted job go."""

    reason: str

    @property
    def verb(self) -> TakeOffFinalizer:
        return TakeOffFinalizer(Finalizer.RAYJOB, _GRANT)


Action: TypeAlias = (
    CreateCluster
    | DeleteCluster
    | CreateSubmitter
    | DeleteSubmitter
    | CreateJobService
    | PatchJobService
    | SuspendGroups
    | SubmitJob
    | StopJob
    | DeleteSelf
    | RecordSubmission
    | AddJobFinalizer
    | RemoveJobFinalizer
)
