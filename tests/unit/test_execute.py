"""Carrying out a plan against a scripted API server: the requests, and the meaning of their answers."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import Struct

from rayfleet.engine.actions import JsonPatch
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Succeeded
from rayfleet.kinds.raycluster.children import RAYCLUSTERS
from rayfleet.kinds.raycluster.manifests import head_service, head_service_name
from rayfleet.kinds.raycluster.plan import (
    Action,
    AdvanceHeadEpoch,
    Cause,
    CreatePod,
    CreateService,
    DeletePod,
    Plan,
    Resize,
    ResizeGroups,
    SelectHead,
)
from rayfleet.kube.client.client import NOT_LEADING
from support.builders import UID, group, parsed, spec
from support.passes import CLUSTER, PODS, Passes, passes
from support.scripted_api import not_there
from support.wire import Answering, fails, says, says_nothing

SERVICES = "/api/v1/namespaces/ml/services"
OWNER: dict[str, Any] = {"kind": "RayCluster", "name": "demo", "uid": UID, "controller": True}
CONFLICT = fails(409, "AlreadyExists", "it is there", kind="pods", name="p")


def owned(**metadata: Any) -> dict[str, Any]:
    """An existing pod of the cluster."""
    own = {"name": "p", "namespace": "ml", "uid": "u", "resourceVersion": "2100", "ownerReferences": [OWNER]}
    annotations = {"rayfleet.io/template-hash": "h1"}
    return {"kind": "Pod", "metadata": own | {"annotations": annotations} | metadata}


def create(name: str = "p", group_name: str = "gpu") -> CreatePod:
    return CreatePod("worker", group_name, name, "h1", owned(name=name), "missing")


def delete(name: str = "p") -> DeletePod:
    return DeletePod("worker", "gpu", name, "u", Cause.SURPLUS, "too many")


async def carried_out(
    bed: Passes, *stages: tuple[Action, ...], deletes: tuple[DeletePod, ...] = ()
) -> list[Outcome]:
    bed.stored()
    return list(await bed.executor.run(bed.kind, bed.cluster, Plan(deletes=deletes, stages=stages)))


@pytest.mark.parametrize(
    ("there", "done"),
    [
        pytest.param(owned(), True, id="ours"),
        pytest.param(owned(ownerReferences=[]), False, id="nobody's"),
        pytest.param(owned(ownerReferences=[OWNER | {"uid": "x"}]), False, id="another's"),
        pytest.param(owned(annotations={"rayfleet.io/template-hash": "h2"}), False, id="of another template"),
        pytest.param(owned(deletionTimestamp="2026-01-01T00:00:00Z"), False, id="on its way out"),
    ],
)
async def test_an_existing_pod_of_the_name_counts_as_created_only_if_it_is_the_intended_one(
    there: Mapping[str, Any],
    done: bool,  # noqa: FBT001 - a table's column
) -> None:
    """The answer to an earlier create may have been lost; any other pod of that name is not ours."""
    async with passes() as bed:
        bed.api.answers["POST", PODS] = CONFLICT
        bed.api.there[f"{PODS}/p"] = there
        (outcome,) = await carried_out(bed, (create(),))
        assert isinstance(outcome, Succeeded) is done
        assert (bed.pods.get("ml", "p") is not None) is done


@pytest.mark.parametrize(
    ("answer", "there", "done"),
    [
        pytest.param(not_there("pods", "p"), None, True, id="gone"),
        pytest.param(says(b"404 page not found", 404), None, False, id="something on the way"),
        pytest.param(not_there("namespaces", "ml"), None, False, id="a 404 of something else"),
        pytest.param(fails(403, "Forbidden", "no"), None, False, id="not allowed"),
        pytest.param(fails(503, "Unavailable", "later"), None, False, id="in trouble"),
        pytest.param(CONFLICT, owned(), False, id="still there"),
        pytest.param(CONFLICT, owned(uid="another"), True, id="another one by now"),
        pytest.param(CONFLICT, owned(deletionTimestamp="2026-01-01T00:00:00Z"), True, id="going"),
    ],
)
async def test_a_delete_succeeds_only_if_the_pod_is_gone_or_terminating(
    answer: Answering,
    there: Mapping[str, Any] | None,
    done: bool,  # noqa: FBT001 - a table's column
) -> None:
    async with passes() as bed:
        bed.api.answers["DELETE", f"{PODS}/p"] = answer
        if there is not None:
            bed.api.there[f"{PODS}/p"] = there
        (outcome,) = await carried_out(bed, deletes=(delete(),))
        assert isinstance(outcome, Succeeded) is done
        assert bed.api.bodies("DELETE", "/p")[0]["preconditions"] == {"uid": "u"}


async def test_a_stage_waits_for_the_one_before_and_is_skipped_if_that_failed() -> None:
    """Workers without a head would only wait, on GPUs that others could use."""
    async with passes() as bed:
        bed.api.answers["POST", SERVICES] = fails(403, "Forbidden", "no")
        bed.stored()
        body = head_service(bed.cluster, parsed(bed.cluster.spec))
        service = CreateService(head_service_name(bed.cluster, parsed(bed.cluster.spec)), body, "missing")
        first, second, third = await carried_out(bed, (service,), (create("a"),), (create("b"),))
        assert [type(outcome) for outcome in (first, second, third)] == [Failed, NotTried, NotTried]
        assert bed.api.writes == [f"POST {SERVICES}"]


async def test_without_its_epoch_no_head_is_created() -> None:
    """Another writer came first: the next pass decides by its write."""
    async with passes() as bed:
        path = "/apis/ray.io/v1/namespaces/ml/rayclusters/demo/status"
        bed.api.answers["PATCH", path] = fails(409, "Conflict", "modified")
        won, made = await carried_out(bed, (AdvanceHeadEpoch(1, "gone"),), (create(),))
        assert (type(won), type(made)) == (Failed, NotTried)
        (body,) = bed.api.bodies("PATCH", "/status")
        assert body["metadata"] == {"uid": UID, "resourceVersion": "1000"}


async def test_after_a_create_that_fails_the_rest_of_its_group_is_not_sent_and_others_are() -> None:
    async with passes() as bed:
        bed.api.answers["POST", PODS] = fails(403, "Forbidden", "exceeded quota")
        creates = (create("a1", "a"), *(create(f"a{n}", "a") for n in range(2, 40)), create("b1", "b"))
        outcomes = await carried_out(bed, creates)
        assert isinstance(outcomes[0], Failed)
        assert isinstance(outcomes[-1], Succeeded)
        assert sum(not isinstance(outcome, NotTried) for outcome in outcomes) < 20


@pytest.mark.parametrize("left", [0.0, -1.0], ids=["now", "passed"])
async def test_nothing_is_written_once_the_leaders_time_is_up(left: float) -> None:
    """The time is checked just before each write, because the process may have been suspended."""
    async with passes() as bed:
        bed.seconds_left = left
        outcomes = await carried_out(bed, (AdvanceHeadEpoch(1, "gone"),), deletes=(delete(),))
        assert outcomes == [Failed(outcome.action, NOT_LEADING) for outcome in outcomes]
        assert len(outcomes) == 2
        assert bed.api.requests == []


async def test_no_write_is_waited_for_beyond_the_leaders_time() -> None:
    """An answer that comes later is to a write that another leader may already have undone."""
    async with passes() as bed:
        bed.seconds_left = 0.1
        bed.api.answers["DELETE", f"{PODS}/p"] = says_nothing
        (outcome,) = await carried_out(bed, deletes=(delete(),))
        assert isinstance(outcome, Failed)
        assert outcome.failure.reason == "Timeout"


async def test_a_decision_of_an_earlier_term_is_not_carried_out() -> None:
    """This process leads again."""
    async with passes() as bed:
        with bed.term.decided():
            bed.term_number = 2
            outcomes = await carried_out(bed, (create(),), deletes=(delete(),))
        assert outcomes == [Failed(outcome.action, NOT_LEADING) for outcome in outcomes]
        assert len(outcomes) == 2
        assert bed.api.requests == []
        outcomes = await carried_out(bed, (create(),), deletes=(delete(),))
        assert all(isinstance(outcome, Succeeded) for outcome in outcomes)


async def test_the_selector_of_a_service_is_replaced_as_a_whole() -> None:
    """Only the Service that was read is changed: another may have its name by now."""
    async with passes() as bed:
        bed.stored()
        known = {"name": "demo-head-svc", "namespace": "ml", "ownerReferences": [OWNER]}
        bed.api.there[f"{SERVICES}/demo-head-svc"] = {"metadata": known}
        action = SelectHead("demo-head-svc", "u", {"a": "1", "b": "2"}, ("c",), "other labels")
        (outcome,) = await bed.executor.run(bed.kind, bed.cluster, Plan(select=action))
        assert isinstance(outcome, Succeeded)
        assert bed.services.get("ml", "demo-head-svc") is not None
        assert bed.api.bodies("PATCH", "/demo-head-svc") == [
            {"metadata": {"uid": "u"}, "spec": {"selector": {"a": "1", "b": "2", "c": None}}}
        ]
        bed.api.answers["PATCH", f"{SERVICES}/demo-head-svc"] = fails(403, "Forbidden", "no")
        outcomes = await bed.executor.run(bed.kind, bed.cluster, Plan(select=action, stages=((create(),),)))
        assert [type(outcome) for outcome in outcomes] == [Failed, Succeeded], "nothing else waits for it"


@pytest.mark.parametrize("newer", [False, True], ids=["a refusal", "somebody wrote first"])
async def test_sizes_are_written_only_to_the_spec_that_they_were_decided_for(
    newer: bool,  # noqa: FBT001 - a table's column
) -> None:
    """After all else; where another has written first, all is decided again and nothing has failed."""
    path = "/apis/ray.io/v1/namespaces/ml/rayclusters/demo"
    async with passes() as bed:
        obj = bed.stored()
        action = ResizeGroups((Resize(0, "gpu", 5),), "5 wait")
        bed.api.answers["PATCH", path] = fails(422, "Invalid", "the test failed")
        if newer:
            bed.api.there[path] = {
                **obj,
                "metadata": obj["metadata"] | {"resourceVersion": "1001", "generation": 2},
            }
        _, outcome = await bed.executor.run(bed.kind, bed.cluster, Plan(deletes=(delete(),), resize=action))
        assert isinstance(outcome, NotTried if newer else Failed)
        (patch,) = bed.api.bodies("PATCH", "/demo")
        assert patch == [
            {"op": "test", "path": "/metadata/resourceVersion", "value": "1000"},
            {"op": "test", "path": "/spec/workerGroupSpecs/0/groupName", "value": "gpu"},
            {"op": "add", "path": "/spec/workerGroupSpecs/0/replicas", "value": 5},
        ]
        assert [line.partition(" ")[0] for line in bed.api.writes] == ["DELETE", "PATCH"]


class Suspend(Struct, frozen=True):
    """An action of some kind: a change of one item of a list."""

    reason: str = "the job is over"

    @property
    def verb(self) -> JsonPatch:
        at = "/spec/workerGroupSpecs/0/suspend"
        return JsonPatch(RAYCLUSTERS, "demo", UID, ({"op": "add", "path": at, "value": True},))


async def test_an_item_of_a_list_is_patched_only_in_the_object_that_was_read() -> None:
    """A merge patch would replace the whole list. The answer enters the cache of its kind."""
    async with passes() as bed:
        obj = bed.stored()
        later = {**obj, "metadata": obj["metadata"] | {"resourceVersion": "1500", "labels": {"a": "b"}}}
        bed.api.answers["PATCH", CLUSTER] = says(later)
        (outcome,) = await bed.executor.run(bed.kind, bed.cluster, Plan(stages=((Suspend(),),)))  # type: ignore[arg-type]  # of no kind
        assert isinstance(outcome, Succeeded)
        assert bed.api.bodies("PATCH", "/demo") == [
            [
                {"op": "test", "path": "/metadata/uid", "value": UID},
                {"op": "add", "path": "/spec/workerGroupSpecs/0/suspend", "value": True},
            ]
        ]
        assert bed.cluster.labels == {"a": "b"}
        bed.api.answers["PATCH", CLUSTER] = fails(422, "Invalid", "the test failed")
        (outcome,) = await bed.executor.run(bed.kind, bed.cluster, Plan(stages=((Suspend(),),)))  # type: ignore[arg-type]  # as above
        assert isinstance(outcome, Failed)


async def test_answers_are_in_the_cache_before_their_events() -> None:
    """So the next pass counts the pods that this one has created and deleted."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=1)))
        going = bed.worker(1)
        name = going["metadata"]["name"]
        late = {**going["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1600"}
        bed.api.answers["DELETE", f"{PODS}/{name}"] = says({**going, "kind": "Pod", "metadata": late})
        gone = DeletePod("worker", "gpu", name, going["metadata"]["uid"], Cause.SURPLUS, "too many")
        await bed.executor.run(bed.kind, bed.cluster, Plan(deletes=(gone,), stages=((create(),),)))
        deleted, made = bed.pods.get("ml", name), bed.pods.get("ml", "p")
        assert deleted is not None
        assert deleted.deleting
        assert made is not None
