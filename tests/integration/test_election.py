"""Two operators and one Lease on a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.kubeconfig import from_kubeconfig
from rayfleet.kube.leases import LEASE_NAME, LeaderElector, Timing
from support.builders import group, raycluster, spec
from support.cluster_api import ApiError, ClusterApi, Namespace
from support.informing import until
from support.operator_process import OperatorProcess, service_account_kubeconfig
from support.proxy import TcpProxy, tcp_proxy
from support.testbed import RunningControlPlane
from support.waiting import eventually, throughout

QUICK = Timing(duration=3.0, renew_deadline=2.0, renew_every=0.5, retry_every=0.2)


class Candidate:
    """A running elector, and its reports."""

    def __init__(self, client: KubeClient, namespace: str, identity: str, timing: Timing) -> None:
        self.said: list[tuple[str, float]] = []
        self.elector = LeaderElector(
            client,
            namespace,
            identity,
            clock=time.monotonic,
            on_gain=lambda: self.said.append(("gain", time.monotonic())),
            on_loss=lambda: self.said.append(("loss", time.monotonic())),
            timing=timing,
        )

    @property
    def story(self) -> list[str]:
        return [word for word, _ in self.said]


@asynccontextmanager
async def candidate(
    kubeconfig: Path, namespace: str, identity: str, timing: Timing = QUICK
) -> AsyncIterator[Candidate]:
    """A candidate that runs until the end of the block, and then ends in good order."""
    async with KubeClient(from_kubeconfig([kubeconfig]), connections=1) as client:
        standing = Candidate(client, namespace, identity, timing)
        running = asyncio.create_task(standing.elector.run())
        try:
            yield standing
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await standing.elector.release()


def lease_of(namespace: Namespace) -> dict[str, Any]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace.name}/leases/{LEASE_NAME}"
    try:
        spec: dict[str, Any] = namespace.api.call("GET", path)["spec"]
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return {}  # Nobody has led yet.
    return spec


def delete_lease(namespace: Namespace) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace.name}/leases/{LEASE_NAME}"
    namespace.api.call("DELETE", path)


@pytest.fixture
def kubeconfig(api: ClusterApi, tmp_path: Path) -> Path:
    """A kubeconfig with the chart's rights."""
    return service_account_kubeconfig(api, tmp_path)


@pytest.fixture
def proxy(control_plane: RunningControlPlane) -> Iterator[TcpProxy]:
    with tcp_proxy(control_plane.server) as proxy:
        yield proxy


async def test_one_leads_and_the_other_takes_over_when_it_ends(
    kubeconfig: Path, namespace: Namespace
) -> None:
    """At once, because the Lease was released."""
    async with candidate(kubeconfig, namespace.name, "second") as second:
        second.said.clear()
        async with candidate(kubeconfig, namespace.name, "first") as first:
            await until("a leader", lambda: first.elector.leading or second.elector.leading)
            leader, standby = (first, second) if first.elector.leading else (second, first)
            renewed = lease_of(namespace)["renewTime"]
            await until("a renewal", lambda: lease_of(namespace)["renewTime"] != renewed)
            assert (leader.story, standby.story) == (["gain"], [])
        asked = time.monotonic()
        await until("the other to lead", lambda: second.elector.leading)
        assert time.monotonic() - asked < 5  # a Lease that is not released lasts 15 s
    assert lease_of(namespace)["holderIdentity"] in {"", None}


async def test_a_leader_cut_off_stops_before_another_starts(
    kubeconfig: Path, namespace: Namespace, proxy: TcpProxy, tmp_path: Path
) -> None:
    """It becomes a standby, and leads again after the other has ended."""
    behind = proxy.kubeconfig(kubeconfig, tmp_path / "behind")
    async with candidate(behind, namespace.name, "cut-off") as first:
        await until("the first to lead", lambda: first.elector.leading)
        async with candidate(kubeconfig, namespace.name, "next") as second:
            proxy.stall()
            await until("the second to lead", lambda: second.elector.leading)
            assert first.story == ["gain", "loss"]
            assert first.said[1][1] < second.said[0][1]
            proxy.cut()
            proxy.accept()
        await until("the first to lead again", lambda: first.elector.leading)
        assert first.elector.term == 2


async def test_a_lease_that_is_deleted_is_recreated_by_its_leader(
    kubeconfig: Path, namespace: Namespace
) -> None:
    """A standby that saw it held does not take it."""
    async with candidate(kubeconfig, namespace.name, "first") as first:
        await until("the first to lead", lambda: first.elector.leading)
        async with candidate(kubeconfig, namespace.name, "second") as second:
            await until("the standby to look", lambda: second.elector.holder == "first")
            delete_lease(namespace)
            await until("the Lease to be back", lambda: namespace.api.exists(_path(namespace)))
            assert lease_of(namespace)["holderIdentity"] == "first"
            assert (first.story, second.story) == (["gain"], [])


def _path(namespace: Namespace) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace.name}/leases/{LEASE_NAME}"


async def test_a_restarted_container_takes_its_own_lease_back(kubeconfig: Path, namespace: Namespace) -> None:
    """Nobody else can have its name, so it need not wait."""
    slow = Timing()
    async with KubeClient(from_kubeconfig([kubeconfig]), connections=1) as client:
        crashed = Candidate(client, namespace.name, "pod-a", slow)
        running = asyncio.create_task(crashed.elector.run())
        await until("it to lead", lambda: crashed.elector.leading)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        async with candidate(kubeconfig, namespace.name, "pod-a", slow) as again:
            await until("it to lead again", lambda: again.elector.leading, seconds=2)


async def test_without_the_right_to_the_lease_it_says_so_and_does_not_lead(
    kubeconfig: Path, api: ClusterApi, namespace: Namespace
) -> None:
    elsewhere = f"{namespace.name}-no-rights"
    api.create_namespace(elsewhere)
    async with candidate(kubeconfig, elsewhere, "first") as first:
        await until("the trouble to show", lambda: first.elector.trouble)
        assert "leases" in (first.elector.trouble or "")
        assert not first.elector.leading


def test_a_standby_acts_on_nothing_until_the_leader_is_gone(
    operator: OperatorProcess, namespace: Namespace, kubeconfig: Path, tmp_path: Path
) -> None:
    """Then it acts within two seconds if the leader ended in good order, also on changes meanwhile."""
    arguments = ["--namespace", namespace.name]
    standby = OperatorProcess(kubeconfig, tmp_path, arguments, identity="operator-1")
    try:
        eventually("the leader to lead", lambda: lease_of(namespace).get("holderIdentity") == "operator-0")
        standby.start()
        namespace.apply(raycluster("before", spec_fields=spec(group(replicas=1))))
        eventually("the pods", lambda: len(namespace.pods()) == 2)
        throughout("only one operator acts", lambda: len(namespace.pods()) == 2, seconds=1)
        assert lease_of(namespace)["holderIdentity"] == "operator-0"
        operator.stop()
        namespace.apply(raycluster("after", spec_fields=spec(group(replicas=1))))
        eventually("the standby to act", lambda: len(namespace.pods()) == 4, seconds=5)
        assert lease_of(namespace)["holderIdentity"] == "operator-1"
    finally:
        standby.kill()
