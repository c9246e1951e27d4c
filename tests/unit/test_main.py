"""The parts of the process together: what holds a pass back, and what the operator reports meanwhile."""

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
        for path, field in (("/api", "versions"), ("/apis", "groups")):  # The fields that kopf reads.
            api.answers["GET", path] = says({field: []}, 200, "Content-Type: application/json")
        yield api


def operator(api: ScriptedApi, *arguments: str) -> Operator:
    return Operator(parse([*QUIET, *arguments], {}), Credentials(api.url))


def known(of: Operator) -> None:
    """Put a cluster into the cache, as its watch does."""
    obj = raycluster()
    own = {"uid": "u", "resourceVersion": "7", "generation": 1, "namespace": "ml"}
    obj["metadata"] = obj["metadata"] | own
    of._clusters.apply(obj)


async def test_no_pass_runs_before_its_namespace_has_been_listed(api: ScriptedApi) -> None:
    """Half a view would lead to duplicate pods."""
    made = operator(api)
    known(made)
    assert await made._loop.reconcile(KEY) == Done()
    assert api.requests == []


async def test_no_pass_runs_while_it_is_not_known_whether_another_operator_could_act_there(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is reported, because it takes only a moment."""
    made = operator(api)
    known(made)
    monkeypatch.setattr(made._loop.informer, "readable", lambda _: True)
    monkeypatch.setattr(made._other_operator, "known", lambda _: False)
    assert await made._loop.reconcile(KEY) == Done()
    assert api.requests == []


async def test_a_cluster_without_passes_holds_up_no_ceiling_of_others(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its namespace has become unreadable, and its GPUs count by the pods that were seen."""
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


async def test_a_cluster_that_is_gone_is_forgotten_even_in_an_unreadable_namespace(api: ScriptedApi) -> None:
    """Otherwise its memory would stay while the namespace is unreadable."""
    made = operator(api)
    passed: list[Key] = []

    async def reconcile(key: Key) -> Done:
        passed.append(key)
        return Done()

    made._loop._reconcilers["RayCluster"].reconcile = reconcile  # type: ignore[method-assign]  # in place of a pass
    assert await made._loop.reconcile(KEY) == Done()
    assert passed == [KEY]


async def test_only_the_leader_keeps_accounts_and_each_term_begins_without_any(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pass of an earlier term has left is another leader's by now."""
    made, of = operator(api), cluster()
    seconds = iter((0.0, 10.0, 20.0))
    monkeypatch.setattr(made._accounts._gpu_seconds, "_clock", lambda: next(seconds))

    def allocated() -> float:
        return made._accounts.gpu_seconds(of.key, of.uid, [worker(of, 1, gpus=1)], None).allocated

    assert allocated() == 0
    monkeypatch.setattr(type(made._loop.election), "leading", True)
    assert [allocated(), allocated()] == [0, 10]
    made._loop._kinds["RayCluster"].lead()
    assert allocated() == 0


async def test_it_is_not_ready_until_its_caches_are_filled_and_says_what_is_missing(api: ScriptedApi) -> None:
    """The order is that in which it reads them."""
    made = operator(api)
    assert "install the CRD" in (made._not_ready() or "")
    made._loop.served.set()
    assert "pods have not been listed yet" in (made._not_ready() or "")


async def test_it_ends_in_good_order_when_asked(api: ScriptedApi) -> None:
    """Also while it waits for its CRD, within five seconds; then nothing listens any more."""
    made = Process(parse(QUIET, {}), Credentials(api.url))
    running = asyncio.create_task(made.run())
    async with asyncio.timeout(20):
        while not any("/apis/ray.io/v1" in line for line in api.asked):
            await asyncio.sleep(0.01)
        made.ask_to_end()
        assert await running == 0
    assert [server.connections for server in made.operator.servers] == [0, 0]
