"""Calls to dashboards are counted by what came of them, with their durations."""

from collections.abc import AsyncIterator

import pytest

from rayfleet.kube.client.calls import OF_DASHBOARDS, DashboardCalls
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.dashboard import JobSubmitRequest
from rayfleet.ray.dashboard.client import JobsClient
from rayfleet.ray.dashboard.poller import JobsPoller
from rayfleet.ray.polling import Target
from support.dashboard_misdeeds import Misdeed
from support.stand_in_dashboard import StandInDashboard


@pytest.fixture
async def dashboard() -> AsyncIterator[StandInDashboard]:
    made = StandInDashboard()
    await made.start()
    yield made
    await made.stop()


async def test_every_method_counts_by_what_came_of_it(dashboard: StandInDashboard) -> None:
    """A job that Ray does not know is an answer of its own; a repeated submission is none."""
    calls = DashboardCalls()
    client = JobsClient(dashboard.address, calls=calls)
    await client.get_job("train")
    await client.submit(JobSubmitRequest("python train.py", "train"))
    await client.submit(JobSubmitRequest("python train.py", "train"))
    await client.get_job("train")
    await client.list_jobs({"train"})
    await client.stop("train")
    await client.close()
    assert calls.by_method_and_outcome == {
        ("GetJob", "unknown_job"): 1,
        ("SubmitJob", "ok"): 2,
        ("GetJob", "ok"): 1,
        ("ListJobs", "ok"): 1,
        ("StopJob", "ok"): 1,
    }
    assert {method: each.counts[-1] for method, each in calls.durations.items()} == {
        "GetJob": 2,
        "ListJobs": 1,
        "SubmitJob": 2,
        "StopJob": 1,
    }
    assert set(calls.durations) == set(OF_DASHBOARDS)


async def test_failures_count_by_their_kind(dashboard: StandInDashboard) -> None:
    """Also those that only the answer's content shows."""
    calls = DashboardCalls()
    client = JobsClient(dashboard.address, calls=calls)
    dashboard.misdeed = Misdeed.STARTING
    await client.submit(JobSubmitRequest("python train.py", "train"))
    dashboard.misdeed = None
    dashboard.jobs["train"] = {"submission_id": "another"}
    await client.get_job("train")
    await dashboard.stop()
    await client.get_job("train")
    await client.close()
    assert calls.by_method_and_outcome == {
        ("SubmitJob", "server"): 1,
        ("GetJob", "invalid"): 1,
        ("GetJob", "unreachable"): 1,
    }


async def test_polls_of_all_heads_are_counted_together(dashboard: StandInDashboard) -> None:
    poller = JobsPoller(lambda _: None)
    key = Key("RayJob", "ml", "train")
    poller.watch(key, Target("uid", dashboard.address, None, "head"), {"train"}, active=True)
    client = poller.client(key)
    assert client is not None
    await client.get_job("train")
    assert poller.calls.by_method_and_outcome["GetJob", "unknown_job"] >= 1
    await poller.close()
