"""A pass over a cluster, against a scripted API server: the reads before its writes."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.workqueue import Done, Retry
from rayfleet.kinds.raycluster.actions import Plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.resources import SERVICES
from support.builders import group, service, spec
from support.passes import CLUSTER, KEY, PODS, passes
from support.scripted_api import not_there
from support.wire import Answering, fails, says


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says(b"404 page not found", 404), id="something on the way"),
        pytest.param(fails(404, "NotFound", "the server could not find the requested resource"), id="no API"),
        pytest.param(fails(404, "NotFound", 'webhook "demo" not found'), id="its name among the words"),
        pytest.param(not_there("namespaces", "demo"), id="another kind"),
        pytest.param(not_there("rayclusters", "other"), id="another cluster"),
        pytest.param(fails(404, "NotFound", "?", kind="rayclusters", name=""), id="an API not served yet"),
    ],
)
async def test_a_404_that_is_not_about_the_cluster_does_not_forget_it(answer: Answering) -> None:
    async with passes() as bed:
        bed.stored()
        bed.api.answers["GET", CLUSTER] = answer
        assert "could not read the cluster" in str(await bed.reconciler.reconcile(KEY))
        assert bed.api.writes == []
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" in bed.api.writes


async def test_a_cluster_that_no_longer_exists_is_forgotten() -> None:
    async with passes() as bed:
        bed.stored()
        bed.api.answers["GET", CLUSTER] = not_there("rayclusters", "demo")
        await bed.reconciler.reconcile(KEY)
        assert bed.clusters.get(KEY) is None
        assert bed.api.writes == []


PODS_OF = f"{PODS}?labelSelector=ray.io/cluster%3Ddemo&limit=500"
ORPHANED: dict[str, Any] = {"ownerReferences": []}
UNLABELLED: dict[str, Any] = {"labels": {}}
FAILED = {"phase": "Failed"}
VERSION = {"resourceVersion": "2000"}


def named(name: str) -> dict[str, object]:
    return {"headEpoch": 0, "head": {"podName": name}}


@pytest.mark.parametrize("changes", [UNLABELLED, ORPHANED, UNLABELLED | ORPHANED], ids=str)
@pytest.mark.parametrize("name", ["", "demo-head-x7k2p"], ids=["ours", "made by KubeRay"])
async def test_no_head_is_created_beside_one_without_watch_and_owner(
    changes: dict[str, Any], name: str
) -> None:
    """The status names it, and it lives: its Ray works like that of any head."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=0)))
        own: dict[str, Any] = {"name": name} if name else {}
        head = bed.head(cached=False, **own, **changes)
        bed.stored(spec(group(replicas=0)), status=named(head["metadata"]["name"]), version=1001)
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" not in bed.api.writes
        assert all("headEpoch" not in body["status"] for body in bed.api.bodies("PATCH", "/status"))


@pytest.mark.parametrize(
    "name", ["../../kube-system/pods/etcd", "x?watch=1", "a/log", "x" * 254, "..", "%2e%2e"]
)
async def test_an_invalid_pod_name_in_the_status_is_not_requested(name: str) -> None:
    """Whoever may write the status must not use the operator's rights to read."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=0)), status=named(name))
        await bed.reconciler.reconcile(KEY)
        assert not [
            path for path in bed.api.asked if path.startswith("GET") and (name in path or "kube-" in path)
        ]
        assert f"POST {PODS}" in bed.api.writes


async def test_a_head_that_came_back_into_view_and_was_deleted_is_replaced_at_once() -> None:
    """Both happened between two passes, so that none has seen it."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=0)))
        head = bed.head(**UNLABELLED)
        name, uid = head["metadata"]["name"], head["metadata"]["uid"]
        bed.pods.remove("ml", name, uid, 1500)
        bed.stored(spec(group(replicas=0)), status=named(name), version=1001)
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" not in bed.api.writes
        bed.show({**head, "metadata": {**head["metadata"], "resourceVersion": "1600"}})
        bed.pods.remove("ml", name, uid, 1700)
        del bed.api.there[f"{PODS}/{name}"]
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" in bed.api.writes


async def test_a_head_that_no_watch_shows_is_replaced_once_it_has_ended_or_is_anothers() -> None:
    other = [{"kind": "RayCluster", "name": "demo", "uid": "another", "controller": True}]
    for status, owners in (({"phase": "Failed"}, None), ({"phase": "Running"}, other)):
        async with passes() as bed:
            bed.stored(spec(group(replicas=0)))
            head = bed.head(cached=False, **UNLABELLED)
            head["status"] = status
            head["metadata"]["ownerReferences"] = owners or head["metadata"]["ownerReferences"]
            bed.stored(spec(group(replicas=0)), status=named(head["metadata"]["name"]), version=1001)
            await bed.reconciler.reconcile(KEY)
            assert f"POST {PODS}" in bed.api.writes


@pytest.mark.parametrize(
    "answer",
    [says(b"404 page not found", 404), fails(503, "Unavailable", "later"), not_there("namespaces", "ml")],
)
async def test_no_head_is_created_until_the_last_one_is_certainly_gone(answer: Answering) -> None:
    async with passes() as bed:
        bed.stored(spec(group(replicas=0)), status=named("demo-head-x"))
        bed.api.answers["GET", f"{PODS}/demo-head-x"] = answer
        assert "could not look for the head" in str(await bed.reconciler.reconcile(KEY))
        assert f"POST {PODS}" not in bed.api.writes


async def test_a_worker_whose_cluster_label_was_changed_is_not_replaced() -> None:
    """A list by that label lacks it, but it lives: only a pod that is gone is replaced."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=3)))
        pods = [bed.head(), bed.worker(1), bed.worker(2), bed.worker(3)]
        bed.stored(spec(group(replicas=3)), status=named(pods[0]["metadata"]["name"]), version=1001)
        del bed.api.there[f"{PODS}/{pods[3]['metadata']['name']}"]
        bed.api.answers["GET", PODS] = says(
            {"items": pods[:2], "metadata": {"resourceVersion": str(bed.api.version)}}
        )
        bed.services.apply(service(bed.cluster))
        bed.show(
            {**pods[1], "metadata": {**pods[1]["metadata"], "resourceVersion": "1501"}, "status": FAILED}
        )
        await bed.reconciler.reconcile(KEY)
        made = [body["metadata"]["name"] for body in bed.api.bodies("POST", "/pods")]
        assert len(made) == 2, "for the one that has ended, and for the one that is gone"


@pytest.mark.parametrize(
    ("born", "began", "generation", "reads"),
    [
        pytest.param(True, 999, 1, [], id="created in this term"),
        pytest.param(True, 1000, 1, [PODS_OF, CLUSTER], id="created before it"),
        pytest.param(False, 999, 1, [PODS_OF, CLUSTER], id="there when we began to watch"),
        pytest.param(True, 999, 2, [CLUSTER], id="changed since"),
    ],
)
async def test_only_a_cluster_that_was_created_in_this_term_is_written_without_a_read(
    born: bool,  # noqa: FBT001 - a table's column
    began: int,
    generation: int,
    reads: list[str],
) -> None:
    """Only this leader can have created pods for it."""
    async with passes() as bed:
        bed.term_began = began
        bed.stored(born=born, generation=generation)
        await bed.reconciler.reconcile(KEY)
        assert [look for look in (PODS_OF, CLUSTER) if f"GET {look}" in bed.api.asked] == reads
        assert f"POST {PODS}" in bed.api.writes


@pytest.mark.parametrize(("term", "gaps"), [(2, 0), (1, 1)], ids=["another term", "a gap of the watch"])
async def test_a_new_cluster_is_read_before_writes_once_its_pods_may_have_been_missed(
    term: int, gaps: int
) -> None:
    """Its first pass had nothing to do and read nothing; meanwhile another may have led."""
    async with passes() as bed:
        bed.term_began = 999
        bed.stored(born=True, spec_fields=spec(managedBy="ray.io/kuberay-operator"))
        bed.other_operator = "ml/ray-operator-leader"
        await bed.reconciler.reconcile(KEY)
        assert bed.api.asked == [f"PATCH {CLUSTER}/status"]
        bed.term_number, bed.gaps, bed.term_began = term, gaps, 1000 if term > 1 else 999
        bed.other_operator = None
        await bed.reconciler.reconcile(KEY)
        assert f"GET {CLUSTER}" in bed.api.asked


async def test_a_pass_whose_term_ends_during_its_reads_writes_nothing() -> None:
    """Not in the next term of the same process either: that decides again."""
    async with passes() as bed:
        obj = bed.stored()

        async def late(writer: asyncio.StreamWriter) -> None:
            bed.term_number = 2
            await says(obj)(writer)

        bed.api.answers["GET", CLUSTER] = late
        await bed.reconciler.reconcile(KEY)
        assert bed.api.writes == []
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" in bed.api.writes


async def test_a_new_term_begins_without_the_memory_of_an_earlier_one() -> None:
    """Another leader may have acted since, with another spec and other answers."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=0)))
        refusal = {"causes": [{"field": "spec.containers", "message": "no"}]}
        for term, tries in ((1, 1), (1, 1), (2, 2)):
            bed.term_number = term
            bed.api.answers["POST", PODS] = fails(422, "Invalid", "no", **refusal)
            await bed.reconciler.reconcile(KEY)
            assert bed.api.writes.count(f"POST {PODS}") == tries


LAGGING = (
    "is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
    "APIVersion ray.io/v1 Kind RayCluster"
)


@pytest.mark.parametrize("at", [PODS, SERVICES.collection("ml")])
async def test_creates_are_repeated_silently_each_second_until_the_new_kind_is_known(
    at: str,
) -> None:
    """That takes half a minute after the CRD was installed: no event, no condition, no backoff."""
    async with passes() as bed:
        bed.stored()
        for _ in range(3):
            bed.api.answers["POST", at] = fails(403, "Forbidden", LAGGING)
            done = await bed.reconciler.reconcile(KEY)
            assert isinstance(done, Done)
            # The rest of a second, of which this machine may have used any part by now.
            assert 0.0 < (done.requeue_after or 0.0) <= 1.0
        assert not [event for event in bed.api.bodies("POST", "/events") if event["type"] == "Warning"]
        written = [body["status"] for body in bed.api.bodies("PATCH", "/status")]
        conditions = {c["type"] for status in written for c in status.get("conditions") or ()}
        assert "ReplicaFailure" not in conditions
        await bed.reconciler.reconcile(KEY)
        assert bed.api.asked[-20:].count(f"POST {PODS}") >= 1
        assert bed.pods.owned_by(KEY)


async def test_another_refusal_is_reported_at_once() -> None:
    """The user should know of a quota."""
    async with passes() as bed:
        bed.stored()
        bed.api.answers["POST", PODS] = fails(403, "Forbidden", "exceeded quota: gpus")
        await bed.reconciler.reconcile(KEY)
        assert [event for event in bed.api.bodies("POST", "/events") if event["type"] == "Warning"]


@pytest.mark.parametrize(
    "live",
    [
        pytest.param({"uid": "another", "resourceVersion": "5000"}, id="another of its name"),
        pytest.param({"deletionTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "5000"}, id="going"),
        pytest.param({"generation": 2, "resourceVersion": "5000"}, id="changed"),
    ],
)
async def test_nothing_is_written_for_a_cluster_that_changed_since_the_decision(
    live: dict[str, Any],
) -> None:
    """It is decided again at once, by the server's answer."""
    async with passes() as bed:
        obj = bed.stored()
        bed.api.there[CLUSTER] = {**obj, "metadata": obj["metadata"] | live}
        assert await bed.reconciler.reconcile(KEY) == Done(requeue_after=0.0)
        assert bed.api.writes == []
        assert bed.cluster.resource_version == 5000


async def test_pods_are_listed_only_before_the_first_write_after_a_gap_and_a_lost_answer() -> None:
    async with passes() as bed:
        lists: list[int] = []
        for gaps, lost in ((0, False), (0, False), (1, False), (1, True), (1, False)):
            bed.gaps = gaps
            bed.stored(version=1000 + len(lists))
            if lost:
                bed.api.answers["POST", PODS] = fails(504, "Timeout", "no answer")
            bed.now += 100
            await bed.reconciler.reconcile(KEY)
            lists.append(bed.api.asked.count(f"GET {PODS_OF}"))
            for pod in list(bed.pods):
                bed.pods.remove(pod.namespace, pod.name, pod.uid)
        assert lists == [1, 1, 2, 2, 3]


async def test_pods_that_are_found_before_the_first_write_count() -> None:
    """A cached view may be old: here the pods exist, and no event has shown them yet."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=1)))
        pods = [bed.head(cached=False), bed.worker(1, cached=False)]
        bed.services.apply(service(bed.cluster))
        bed.api.answers["GET", PODS] = says({"items": pods, "metadata": {"resourceVersion": "2000"}})
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" not in bed.api.writes


async def test_a_refused_group_is_held_for_a_while_and_any_other_failure_repeated() -> None:
    async with passes() as bed:
        bed.stored(spec(group(replicas=1)))
        bed.head()
        bed.services.apply(service(bed.cluster))
        bed.api.answers["GET", PODS] = says(
            {"items": [bed.api.there[f"{PODS}/{pod.name}"] for pod in bed.pods], "metadata": VERSION}
        )
        bed.api.answers["POST", PODS] = fails(403, "Forbidden", "exceeded quota: gpus")
        result = await bed.reconciler.reconcile(KEY)
        assert isinstance(result, Done)
        assert 0.0 < (result.requeue_after or 0.0) <= 1.0
        await bed.reconciler.reconcile(KEY)
        assert bed.api.writes.count(f"POST {PODS}") == 1, "it is held"
        bed.now += 2
        bed.api.answers["POST", PODS] = fails(409, "AlreadyExists", "it is there")
        assert isinstance(await bed.reconciler.reconcile(KEY), Retry)


async def test_a_long_decision_takes_no_place_in_the_queue_and_slows_polling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A decision that waits for its turn delays no other cluster; its head is polled less often."""
    monkeypatch.setattr("rayfleet.engine.reconciler.LARGE_SPEC", 0)
    waited: list[object] = []
    took: list[tuple[object, float]] = []
    monkeypatch.setattr(
        "rayfleet.kinds.raycluster.sources.heads.RayHeads.took",
        lambda _, key, seconds: took.append((key, seconds)),
    )
    async with passes() as bed:
        bed.stored()
        bed.reconciler._around = replace(bed.reconciler._around, waits=waited.append)
        await bed.reconciler.reconcile(KEY)
    assert waited
    assert set(waited) == {KEY}
    assert all(key == KEY and seconds > 0 for key, seconds in took)
    assert len(took) == len(waited)


async def test_a_pass_that_fails_by_a_defect_is_reported_once_for_each_generation() -> None:
    """Otherwise its status would stay as it was, and only the operator's log would say why."""

    def fail(_: Snapshot) -> Plan:
        raise OverflowError("cannot convert float infinity to integer")

    async with passes() as bed:
        bed.decide = fail
        for generation in (1, 2):
            bed.stored(generation=generation, version=1000 + generation)
            for _ in range(3):
                with pytest.raises(OverflowError):
                    await bed.reconciler.reconcile(KEY)
            reasons = [event["reason"] for event in bed.api.bodies("POST", "/events")]
            assert reasons == ["ReconcileFailed"] * generation
