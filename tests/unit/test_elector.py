"""The loop that keeps the Lease, and how long a leader may rely on it."""

import asyncio
from contextlib import suppress

import pytest

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.leases import LeaderElector, Timing
from support.scripted_api import not_there, scripted_api
from support.wire import says

LEASES = "/apis/coordination.k8s.io/v1/namespaces/ml/leases"


@pytest.mark.parametrize("took", [0.0, 4.0], ids=["at once", "after 4 s"])
async def test_a_leader_counts_its_time_from_before_its_request(took: float) -> None:
    """Whoever reads the Lease counts from its write, which may be just after that."""
    clock, gained = 100.0, asyncio.Event()
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15}
    made = says({"metadata": {"uid": "u", "resourceVersion": "7"}, "spec": spec}, 201)

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal clock
        clock += took
        await made(writer)

    async with scripted_api() as api, KubeClient(Credentials(api.url)) as client:
        api.answers["GET", f"{LEASES}/rayfleet-leader"] = not_there("leases", "rayfleet-leader")
        api.answers["POST", LEASES] = answer
        elector = LeaderElector(
            client, "ml", "me", clock=lambda: clock, on_gain=gained.set, on_loss=lambda: None, timing=Timing()
        )
        assert (elector.leading, elector.term) == (False, 0)
        standing = asyncio.create_task(elector.run())
        async with asyncio.timeout(5):
            await gained.wait()
        assert (elector.seconds_left, elector.term) == (10.0 - took, 1)
        clock += elector.seconds_left
        assert not elector.leading, "whatever its loop does meanwhile"
        standing.cancel()
        with suppress(asyncio.CancelledError):
            await standing
