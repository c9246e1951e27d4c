"""What the actions of a pass do to a simulated job."""

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from rayfleet.api.names import Finalizer
from rayfleet.engine.actions import Action
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Refused, Succeeded
from rayfleet.errors import ApiFailure
from rayfleet.kinds.rayjob.actions import (
    AddJobFinalizer,
    CreateCluster,
    CreateJobService,
    CreateSubmitter,
    DeleteCluster,
    DeleteSelf,
    DeleteSubmitter,
    PatchJobService,
    RecordSubmission,
    RemoveJobFinalizer,
    StopJob,
    SubmitJob,
    SuspendGroups,
)
from rayfleet.kinds.rayjob.snapshot import ServiceFacts, SubmitterFacts
from support.job_cluster import LiveCluster, submitted_id

if TYPE_CHECKING:
    from support.job_world import World

LOST: Final = ApiFailure(0, "NoAnswer", "no answer within 10 s")
TAKEN: Final = ApiFailure(409, "AlreadyExists", "the name is taken")


def carry_out(action: Action, world: "World") -> Outcome:
    """Do it, as an API server or Ray would."""
    outcome: Outcome = _do(action, world)
    return outcome


@singledispatch
def _do(action: object, _world: "World") -> Outcome:
    raise NotImplementedError(action)


_action: Final[Callable[[type], Callable[..., Any]]] = _do.register


@_action(CreateCluster)
def _create_cluster(action: CreateCluster, world: "World") -> Outcome:
    there = world.clusters.get(action.name)
    if there is None:
        world.made += 1
        annotations = action.body["metadata"]["annotations"]
        there = LiveCluster(action.name, f"c{world.made}", action.body["spec"], head=False)
        there.annotations = annotations
        world.clusters[action.name] = there
        world.check()
    elif there.deleting or not there.owned:
        return Failed(action, TAKEN)
    if world.hides_creates:
        return Failed(action, LOST)
    world.view[action.name] = there.copy()
    return Succeeded(action)


@_action(DeleteCluster)
def _delete_cluster(action: DeleteCluster, world: "World") -> Outcome:
    there = world.clusters.get(action.name)
    if there is not None and there.uid == action.uid:
        assert there.owned, "a selected cluster is never deleted"
        there.deleting = True
        world.view[action.name] = there.copy()
    return Succeeded(action)


@_action(CreateSubmitter)
def _create_submitter(action: CreateSubmitter, world: "World") -> Outcome:
    job_id = submitted_id(action.body["spec"]["template"]["spec"]["containers"])
    if world.submitter is not None:
        return Succeeded(action) if world.submits == job_id else Failed(action, TAKEN)
    world.submitters += 1
    world.submitter = world.submitter_view = SubmitterFacts(action.name, f"s{world.submitters}")
    world.submits, world.has_submitted = job_id, False
    if world.hides_creates:
        world.submitter_view = None
        return Failed(action, LOST)
    return Succeeded(action)


@_action(DeleteSubmitter)
def _delete_submitter(action: DeleteSubmitter, world: "World") -> Outcome:
    there = world.submitter
    if there is not None and there.uid == action.uid:
        world.submitter = world.submitter_view = replace(there, deleting=True)
    return Succeeded(action)


@_action(CreateJobService)
def _create_service(action: CreateJobService, world: "World") -> Outcome:
    if world.is_service_taken:
        return Failed(action, TAKEN)
    world.service = ServiceFacts(action.name, "svc", action.body["spec"]["selector"])
    return Succeeded(action)


@_action(PatchJobService)
def _patch_service(action: PatchJobService, world: "World") -> Outcome:
    assert world.service is not None
    world.service = replace(world.service, selector=action.changes["spec"]["selector"])
    return Succeeded(action)


@_action(RecordSubmission)
def _record(action: RecordSubmission, world: "World") -> Outcome:
    fields: Mapping[str, Any] = action.verb.fields
    before = world.status.get("submission", {})
    world.status = {**world.status, "submission": {**before, **fields["submission"]}}
    return Succeeded(action)


@_action(SubmitJob)
def _submit(action: SubmitJob, world: "World") -> Outcome:
    there = world.clusters.get(action.cluster)
    if there is None or not world.is_reachable or not there.answers:
        return NotTried(action)
    if (there.uid, there.epoch) != (action.cluster_uid, action.head_epoch):
        return NotTried(action)
    if world.refusal:
        return Refused(action, world.refusal)
    world.give(action.job_id, there)
    return NotTried(action) if world.loses_answers else Succeeded(action)


@_action(StopJob)
def _stop(action: StopJob, world: "World") -> Outcome:
    there = world.clusters.get(action.cluster)
    if there is None or not world.is_reachable or not there.answers or there.uid != action.cluster_uid:
        return NotTried(action)
    world.stops += 1
    if not world.loses_stops:
        world.say("STOPPED", of=action.job_id)
    return Succeeded(action)


@_action(SuspendGroups)
def _suspend(action: SuspendGroups, world: "World") -> Outcome:
    there = world.clusters.get(action.cluster)
    if there is not None and there.uid == action.uid:
        names = {name for _, name in action.groups}
        groups = [
            {**g, "suspend": g.get("suspend", False) or g["groupName"] in names}
            for g in there.spec["workerGroupSpecs"]
        ]
        there.spec = {**there.spec, "workerGroupSpecs": groups}
        world.view[there.name] = there.copy()
    return Succeeded(action)


@_action(DeleteSelf)
def _delete_self(action: DeleteSelf, world: "World") -> Outcome:
    world.delete()
    return Succeeded(action)


@_action(AddJobFinalizer)
def _add_finalizer(action: AddJobFinalizer, world: "World") -> Outcome:
    world.finalizers |= {Finalizer.RAYJOB}
    return Succeeded(action)


@_action(RemoveJobFinalizer)
def _remove_finalizer(action: RemoveJobFinalizer, world: "World") -> Outcome:
    world.finalizers -= {Finalizer.RAYJOB}
    world.collect()
    return Succeeded(action)
