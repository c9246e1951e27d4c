"""What the actions of a RayJob send: each names one verb, which has nothing left to decide."""

from rayfleet.engine.actions import Create, Delete, Handled, JsonPatch, Patch
from rayfleet.kinds.rayjob.actions import (
    CreateCluster,
    CreateJobService,
    CreateSubmitter,
    DeleteCluster,
    DeleteSelf,
    DeleteSubmitter,
    GroupPlace,
    PatchJobService,
    StopJob,
    SubmitJob,
    SuspendGroups,
)


def paths(*verbs: Create | Delete | Patch | JsonPatch) -> list[str]:
    return [verb.resource.path("ml", verb.name) for verb in verbs]


def test_each_child_is_created_and_deleted_where_it_belongs() -> None:
    made = paths(
        CreateCluster("a", {}, "new").verb,
        CreateSubmitter("b", {}, "h", "new").verb,
        CreateJobService("c", {}, "new").verb,
        PatchJobService("c", "u", {}, "another cluster").verb,
        DeleteSubmitter("b", "u", "retry").verb,
        DeleteCluster("a", "u", "retry").verb,
        DeleteSelf("d", "u", "its rule is due").verb,
    )
    assert made == [
        "/apis/ray.io/v1/namespaces/ml/rayclusters/a",
        "/apis/batch/v1/namespaces/ml/jobs/b",
        "/api/v1/namespaces/ml/services/c",
        "/api/v1/namespaces/ml/services/c",
        "/apis/batch/v1/namespaces/ml/jobs/b",
        "/apis/ray.io/v1/namespaces/ml/rayclusters/a",
        "/apis/ray.io/v1/namespaces/ml/rayjobs/d",
    ]


def test_only_a_job_that_submits_the_same_counts_as_created() -> None:
    """A cluster's name already says which attempt it is of."""
    assert CreateSubmitter("b", {}, "h", "new").verb.template_hash == "h"
    assert CreateCluster("a", {}, "new").verb.template_hash == ""


def test_groups_are_suspended_only_in_the_spec_that_they_were_found_in() -> None:
    """Each is named, because its place in the list may have changed."""
    verb = SuspendGroups("a", "u", (GroupPlace(0, "cpu"), GroupPlace(2, "gpu")), "the job is over").verb
    assert (verb.name, verb.uid) == ("a", "u")
    assert verb.operations == (
        {"op": "test", "path": "/spec/workerGroupSpecs/0/groupName", "value": "cpu"},
        {"op": "add", "path": "/spec/workerGroupSpecs/0/suspend", "value": True},
        {"op": "test", "path": "/spec/workerGroupSpecs/2/groupName", "value": "gpu"},
        {"op": "add", "path": "/spec/workerGroupSpecs/2/suspend", "value": True},
    )


def test_what_ray_is_asked_for_takes_no_turn_of_the_writes_to_kubernetes() -> None:
    asked = SubmitJob("a", "u", 0, "j", {}, "ready"), StopJob("a", "u", "j", "deadline")
    assert [action.verb for action in asked] == [Handled(takes_turn=False, may_hang=True)] * 2
