"""A pass over a cluster, against a scripted API server: what is looked at before anything is written."""

from typing import Any

import pytest

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
async def test_a_404_that_is_not_about_the_cluster_buries_no_living_one(answer: Answering) -> None:
    async with passes() as bed:
        bed.stored()
        bed.api.told["GET", CLUSTER] = answer
        assert "could not read the cluster" in str(await bed.reconciler.reconcile(KEY))
        assert bed.api.writes == []
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" in bed.api.writes


async def test_a_cluster_that_is_not_there_any_more_is_forgotten() -> None:
    async with passes() as bed:
        bed.stored()
        bed.api.told["GET", CLUSTER] = not_there("rayclusters", "demo")
        await bed.reconciler.reconcile(KEY)
        assert bed.clusters.get(KEY) is None
        assert bed.api.writes == []


ORPHANED: dict[str, Any] = {"ownerReferences": []}
UNLABELLED: dict[str, Any] = {"labels": {}}
FAILED = {"phase": "Failed"}


def named(name: str) -> dict[str, object]:
    return {"headEpoch": 0, "head": {"podName": name}}


@pytest.mark.parametrize("changes", [UNLABELLED, ORPHANED, UNLABELLED | ORPHANED], ids=str)
@pytest.mark.parametrize("name", ["", "demo-head-x7k2p"], ids=["ours", "made by KubeRay"])
async def test_no_head_is_made_beside_one_that_no_watch_and_no_owner_leads_to(
    changes: dict[str, Any], name: str
) -> None:
    """The status names it, and it lives: nothing tells its Ray from that of a head in good order."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=0)))
        own: dict[str, Any] = {"name": name} if name else {}
        head = bed.head(cached=False, **own, **changes)
        bed.stored(spec(group(replicas=0)), status=named(head["metadata"]["name"]), version=1001)
        await bed.reconciler.reconcile(KEY)
        assert f"POST {PODS}" not in bed.api.writes
        assert all("headEpoch" not in body["status"] for body in bed.api.bodies("PATCH", "/status"))


async def test_a_head_that_no_watch_leads_to_has_a_next_one_when_it_has_ended_or_is_anothers() -> None:
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
async def test_no_head_is_made_while_it_is_not_certain_that_the_last_one_is_gone(answer: Answering) -> None:
    async with passes() as bed:
        bed.stored(spec(group(replicas=0)), status=named("demo-head-x"))
        bed.api.told["GET", f"{PODS}/demo-head-x"] = answer
        assert "could not look for the head" in str(await bed.reconciler.reconcile(KEY))
        assert f"POST {PODS}" not in bed.api.writes


async def test_a_worker_whose_cluster_label_was_changed_is_not_replaced() -> None:
    """A list by that label lacks it, and it lives: only one that is gone is replaced."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=3)))
        pods = [bed.head(), bed.worker(1), bed.worker(2), bed.worker(3)]
        bed.stored(spec(group(replicas=3)), status=named(pods[0]["metadata"]["name"]), version=1001)
        del bed.api.there[f"{PODS}/{pods[3]['metadata']['name']}"]
        bed.api.told["GET", PODS] = says(
            {"items": pods[:2], "metadata": {"resourceVersion": str(bed.api.version)}}
        )
        bed.services.apply(service(bed.cluster))
        bed.show(
            {**pods[1], "metadata": {**pods[1]["metadata"], "resourceVersion": "1501"}, "status": FAILED}
        )
        await bed.reconciler.reconcile(KEY)
        made = [body["metadata"]["name"] for body in bed.api.bodies("POST", "/pods")]
        assert len(made) == 2, "for the one that has ended, and for the one that is gone"
