"""A pass over a cluster, against a scripted API server: what is looked at before anything is written."""

import pytest

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
