"""The parts of the process put together: what holds a pass back, and what is said while it does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from rayfleet.engine.workqueue import Done
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.resources import PODS
from rayfleet.main import Process
from rayfleet.settings.flags import parse
from rayfleet.wiring import Operator
from support.builders import cluster, group, raycluster, spec, worker
from support.scripted_api import ScriptedApi, scripted_api
from support.wire import says

QUIET = ["--health-port", "0", "--metrics-port", "0", "--identity", "me"]
KEY = Key("RayCluster", "ml", "demo")


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    async with scripted_api() as api:
        for path, field in (("/api", "versions"), ("/apis", "groups")):  # What kopf looks at.
            api.answers["GET", path] = says({field: []}, 200, "Content-Type: application/json")
        yield api


def operator(api: ScriptedApi, *arguments: str) -> Operator:
    return Operator(parse([*QUIET, *arguments], {}), Credentials(api.url))


def known(of: Operator) -> None:
    """Put a cluster into the cache, as its watch would."""
    obj = raycluster()
    own = {"uid": "u", "resourceVersion": "7", "generation": 1, "namespace": "ml"}
    obj["metadata"] = obj["metadata"] | own
    of._clusters.apply(obj)


async def test_no_pass_runs_before_its_namespace_has_been_listed(api: ScriptedApi) -> None:
    """Whoever leads: half a view leads to pods that are there already."""
    made = operator(api)
    known(made)
    assert await made._loop.reconcile(KEY) == Done()
    assert api.requests == []


async def test_no_pass_runs_while_it_is_not_known_whether_another_operator_could_act_there(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything said of it: it takes a moment."""
    made = operator(api)
    known(made)
    monkeypatch.setattr(made._loop.informer, "readable", lambda _: True)
    monkeypatch.setattr(made._other_operator, "known", lambda _: False)
    assert await made._loop.reconcile(KEY) == Done()
    assert api.requests == []


async def test_a_cluster_that_gets_no_pass_holds_up_no_ceiling_of_others(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its namespace may not be read any more, and its GPUs count by the pods that were seen."""
    made = operator(api)
    known(made)
    gpus = worker(cluster(spec(group("gpu", 1)), uid="u"), 1, group_name="gpu", gpus=3)
    monkeypatch.setattr(made._loop.stores.children[PODS], "owned_by", lambda _: (gpus,))
    other = Key("RayCluster", "other", "one")
    usage = made._ledger.usage(other)
    assert (usage.complete, usage.total) == (True, 3)
    made._ledger.forget_all()
    monkeypatch.setattr(made._loop.informer, "readable", lambda _: True)
    assert not made._ledger.usage(other).complete, "it gets a pass"


async def test_a_cluster_that_is_gone_is_forgotten_even_where_nothing_can_be_read(api: ScriptedApi) -> None:
    """Its memory would stay for as long as its namespace is away."""
    made = operator(api)
    passed: list[Key] = []

    async def reconcile(key: Key) -> Done:
        passed.append(key)
        return Done()

    made._loop._reconcilers["RayCluster"].reconcile = reconcile  # type: ignore[method-assign]  # in place of a pass
    assert await made._loop.reconcile(KEY) == Done()
    assert passed == [KEY]


async def test_it_is_not_ready_until_it_knows_what_there_is_and_says_what_it_lacks(api: ScriptedApi) -> None:
    """In the order in which it comes to know it."""
    made = operator(api)
    assert "install the CRD" in (made._not_ready() or "")
    made._loop.served.set()
    assert "pods have not been listed yet" in (made._not_ready() or "")


async def test_it_ends_in_good_order_when_it_is_asked_to(api: ScriptedApi) -> None:
    """Also while it waits for its CRD, within the five seconds that it has; nothing listens any more then."""
    made = Process(parse(QUIET, {}), Credentials(api.url))
    running = asyncio.create_task(made.run())
    async with asyncio.timeout(20):
        while not any("/apis/ray.io/v1" in line for line in api.asked):
            await asyncio.sleep(0.01)
        made.ask_to_end()
        assert await running == 0
    assert [server.connections for server in made.operator.servers] == [0, 0]
