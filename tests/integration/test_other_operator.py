"""Where another operator's Lease counts, by the rights that a real API server grants."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.kubeconfig import from_kubeconfig
from rayfleet.kube.leases.other_operator import OtherOperatorWatch
from support.cluster_api import ClusterApi, Namespace
from support.informing import until
from support.operator_process import Grants, service_account_kubeconfig
from support.other_operator import OtherOperator

_numbers = itertools.count(1)


@pytest.fixture
def spaces(api: ClusterApi) -> Iterator[Callable[[str], Namespace]]:
    """Namespaces for one test, by name; their Leases are gone after it."""
    made: list[str] = []

    def make(word: str) -> Namespace:
        name = f"{word}-{next(_numbers)}"
        api.create_namespace(name)
        made.append(name)
        return api.namespace(name)

    yield make
    for name in made:
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{name}/leases/ray-operator-leader"
        if api.exists(lease):
            api.call("DELETE", lease)


class Seen:
    """A watch that runs, and the namespaces that it reported."""

    def __init__(self, client: KubeClient, namespaces: tuple[str, ...], named: tuple[str, ...]) -> None:
        self.reported: list[str] = []
        self.watch = OtherOperatorWatch(client, namespaces, named, self.reported.append)

    async def answer(self, namespace: str) -> str | None:
        await until(f"all that decides about {namespace}", lambda: self.watch.known(namespace))
        return self.watch.alive(namespace)


@asynccontextmanager
async def watching(kubeconfig: Path, *namespaces: str, named: tuple[str, ...] = ()) -> AsyncIterator[Seen]:
    """A watch with the rights of the chart, until the end of the block."""
    async with KubeClient(from_kubeconfig([kubeconfig])) as client:
        seen = Seen(client, namespaces, named)
        running = asyncio.create_task(seen.watch.run())
        try:
            await asyncio.wait_for(seen.watch.looked.wait(), 20)
            yield seen
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def everywhere(api: ClusterApi, tmp_path: Path) -> Path:
    """A kubeconfig with the chart's ClusterRole."""
    return service_account_kubeconfig(api, tmp_path)


async def test_an_operator_that_may_act_everywhere_is_respected_everywhere_from_the_first_look(
    spaces: Callable[[str], Namespace], everywhere: Path
) -> None:
    """Without any setting, in any namespace; until it releases its Lease."""
    theirs, ml = spaces("kuberay"), spaces("ml")
    with OtherOperator(theirs) as other:
        other.may_update_everywhere()
        other.hold()
        async with watching(everywhere) as seen:
            lease = f"{theirs.name}/ray-operator-leader"
            assert seen.watch.alive(ml.name) == lease
            assert await seen.answer(ml.name) == lease
            assert seen.watch.anywhere == lease
            assert not seen.watch.ignored
            other.release()
            await until(
                "its end to be reported", lambda: ml.name in seen.reported and not seen.watch.alive(ml.name)
            )


async def test_whoever_may_edit_one_namespace_stops_nobody_by_a_lease(
    spaces: Callable[[str], Namespace], everywhere: Path, api: ClusterApi
) -> None:
    """`edit` allows a Lease, a pod, and an account without rights: a metric and one event a day show it."""
    tenant, ml = spaces("tenant"), spaces("ml")
    with OtherOperator(tenant) as other:
        other.hold()
        async with watching(everywhere) as seen:
            assert await seen.answer(ml.name) is None
            assert await seen.answer(tenant.name) is None
            assert seen.watch.anywhere is None
            assert "may not update RayClusters" in seen.watch.ignored[tenant.name]
            await until("the event", lambda: events(api, tenant.name))
            (event,) = events(api, tenant.name)
            assert (event["type"], event["reason"]) == ("Warning", "LeaseIgnored")
            assert "--other-operator-namespace" in event["note"]
        async with watching(everywhere) as seen:
            await until("the next process to see it", lambda: seen.watch.ignored)
            await until("it to be reported", lambda: seen.watch._reported)
            assert len(events(api, tenant.name)) == 1


async def test_a_lease_without_a_living_pod_behind_it_counts_nowhere(
    spaces: Callable[[str], Namespace], everywhere: Path
) -> None:
    """Whatever its holder is called; nothing waits for it either."""
    tenant, ml = spaces("tenant"), spaces("ml")
    with OtherOperator(tenant) as other:
        other.may_update_everywhere()
        other.hold(as_holder="kuberay-operator-0_1")
        async with watching(everywhere) as seen:
            assert await seen.answer(ml.name) is None
            assert "is not a pod of this namespace" in seen.watch.ignored[tenant.name]


async def test_an_operator_of_one_namespace_is_respected_there_alone(
    spaces: Callable[[str], Namespace], everywhere: Path
) -> None:
    """KubeRay installed with a Role is one. A tenant's own account counts for its own namespace, too."""
    theirs, ml = spaces("kuberay"), spaces("ml")
    with OtherOperator(theirs) as other:
        other.may_update(ml.name)
        other.hold()
        async with watching(everywhere) as seen:
            assert await seen.answer(theirs.name) is None
            assert await seen.answer(ml.name) == f"{theirs.name}/ray-operator-leader"


async def test_in_a_named_namespace_a_lease_counts_whoever_holds_it(
    spaces: Callable[[str], Namespace], everywhere: Path
) -> None:
    """An operator on somebody's machine has no pod."""
    theirs, ml = spaces("kuberay"), spaces("ml")
    with OtherOperator(theirs) as other:
        other.hold(as_holder="laptop_7")
        async with watching(everywhere, named=(theirs.name,)) as seen:
            assert await seen.answer(ml.name) == f"{theirs.name}/ray-operator-leader"


async def test_with_a_list_of_namespaces_rights_are_looked_at_in_each(
    spaces: Callable[[str], Namespace], api: ClusterApi, tmp_path: Path
) -> None:
    """It needs only what the Role of the chart allows."""
    red, blue, account = spaces("red"), spaces("blue"), f"listed-{next(_numbers)}"
    grants = Grants(api, account)
    for namespace in (red, blue):
        grants.give(namespace.name)
    kubeconfig = service_account_kubeconfig(api, tmp_path, account=account)
    with OtherOperator(red) as other:
        other.may_update(red.name)
        other.hold()
        async with watching(kubeconfig, red.name, blue.name) as seen:
            assert await seen.answer(blue.name) is None
            assert await seen.answer(red.name) == f"{red.name}/ray-operator-leader"


async def test_a_namespace_whose_leases_may_not_be_read_holds_up_no_other(
    spaces: Callable[[str], Namespace], api: ClusterApi, tmp_path: Path
) -> None:
    """There another operator is not noticed, and a log line says so."""
    red, account = spaces("red"), f"listed-{next(_numbers)}"
    Grants(api, account).give(red.name)
    kubeconfig = service_account_kubeconfig(api, tmp_path, account=account)
    async with watching(kubeconfig, "not-there", red.name) as seen:
        assert await seen.answer(red.name) is None
        assert "forbidden" in (seen.watch.unavailable or "")


def events(api: ClusterApi, namespace: str) -> list[Mapping[str, Any]]:
    """Events about a Lease."""
    items = api.call("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
    return [event for event in items if event["regarding"]["kind"] == "Lease"]
