"""The informer follows a real API server through every kind of interruption."""

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from rayfleet.kube.cache import Store
from rayfleet.kube.informer import ChildSink, Clockwork, Reflector, Source
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.pods import Pod, pod_from_object
from support.informing import Objects, client_of, following, until
from support.proxy import TcpProxy, tcp_proxy
from support.testbed import RunningControlPlane, running_control_plane

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def plane() -> Iterator[RunningControlPlane]:
    """A control plane of these tests alone, which they may stop."""
    with running_control_plane("-informer", audit_log=False) as running:
        yield running


@pytest.fixture
async def objects(plane: RunningControlPlane) -> AsyncIterator[Objects]:
    """A namespace for one test."""
    async with client_of(plane.kubeconfig) as client:
        objects = Objects(client, f"informer-{next(_numbers)}")
        await objects.begin()
        yield objects


@pytest.fixture
def proxy(plane: RunningControlPlane) -> Iterator[TcpProxy]:
    with tcp_proxy(plane.server) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(plane: RunningControlPlane, proxy: TcpProxy, tmp_path: Path) -> Path:
    """A kubeconfig that leads through the proxy."""
    return proxy.kubeconfig(plane.kubeconfig, tmp_path / "kubeconfig")


async def _life_of_a_pod_and_a_service(kubeconfig: Path, objects: Objects) -> None:
    key = Key("RayCluster", objects.namespace, "demo")
    before = await objects.create_pod("before")
    async with following(kubeconfig) as seen:
        assert seen.pod_names(key) == {"before"}

        service = await objects.create_service("head")
        await objects.create_pod("after")
        await objects.create_pod("stranger", cluster=None)
        await objects.mark_pod_failed("before")
        await until(
            "the pod's failure", lambda: {p.phase for p in seen.pods.owned_by(key)} == {"Failed", "Pending"}
        )
        await until("the service", lambda: seen.services.owned_by(key))
        assert seen.pod_names(key) == {"before", "after"}

        seen.woken.clear()
        await objects.delete(before)
        await objects.delete(service, "services")
        await until(
            "both deletions", lambda: seen.pod_names(key) == {"after"} and not seen.services.owned_by(key)
        )
        assert set(seen.woken) == {key}
        assert (seen.of_pods.gaps, seen.of_pods.relists, seen.of_pods.error) == (0, 0, "")
        assert seen.of_pods.age is not None
        assert seen.of_pods.age < 15


async def test_it_follows_creations_changes_and_deletions(
    plane: RunningControlPlane, objects: Objects
) -> None:
    """It sees what carries the cluster label, and nothing else."""
    await _life_of_a_pod_and_a_service(plane.kubeconfig, objects)


def test_it_follows_changes_on_uvloop(plane: RunningControlPlane) -> None:
    """The operator runs on this loop."""

    async def life() -> None:
        async with client_of(plane.kubeconfig) as client:
            objects = Objects(client, f"informer-{next(_numbers)}")
            await objects.begin()
            await _life_of_a_pod_and_a_service(plane.kubeconfig, objects)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(life())


async def test_it_follows_only_the_given_namespaces(plane: RunningControlPlane, objects: Objects) -> None:
    elsewhere = Objects(objects.client, f"{objects.namespace}-elsewhere")
    await elsewhere.begin()
    async with following(plane.kubeconfig, objects.namespace, "not-there-yet") as seen:
        await elsewhere.create_pod("other")
        await objects.create_pod("ours")
        await until("our pod", lambda: len(seen.pods) > 0)

        assert [pod.name for pod in seen.pods] == ["ours"]
        assert len(seen.informer.health) == 6


async def test_pods_that_vanish_while_the_watch_is_cut_are_reported_when_it_resumes(
    through_proxy: Path, proxy: TcpProxy, objects: Objects
) -> None:
    """The server's history still has them: no gap, and no new list."""
    key = Key("RayCluster", objects.namespace, "demo")
    pods = [await objects.create_pod(f"pod-{number}") for number in range(3)]
    async with following(through_proxy) as seen:
        proxy.refuse()
        for pod in pods[:2]:
            await objects.delete(pod)
        await until("the trouble to show", lambda: "no answer from" in seen.of_pods.error)
        assert seen.of_pods.error.startswith("pods in all namespaces: ")
        proxy.accept()

        await until("the deletions", lambda: seen.pod_names(key) == {"pod-2"}, seconds=10)
        await until("the trouble to be over", lambda: not seen.of_pods.error)
        assert (seen.of_pods.gaps, seen.of_pods.relists) == (0, 0)
        assert key in seen.woken


async def test_pods_that_vanish_in_a_gap_are_reported_by_a_new_list(
    plane: RunningControlPlane, through_proxy: Path, proxy: TcpProxy, objects: Objects
) -> None:
    """A server that was restarted meanwhile has forgotten the history: it answers 410."""
    key = Key("RayCluster", objects.namespace, "demo")
    pods = [await objects.create_pod(f"pod-{number}") for number in range(3)]
    async with following(through_proxy) as seen:
        gaps = seen.informer.gaps(objects.namespace)
        proxy.refuse()
        for pod in pods[:2]:
            await objects.delete(pod)
        plane.restart_api_server()
        async with client_of(plane.kubeconfig) as fresh:
            await Objects(fresh, objects.namespace).create_pod("new")
        seen.woken.clear()
        proxy.accept()

        await until("the new list", lambda: seen.pod_names(key) == {"pod-2", "new"}, seconds=10)
        assert (seen.of_pods.gaps, seen.of_pods.relists) == (2, 1)
        assert seen.informer.gaps(objects.namespace) > gaps
        assert key in seen.woken


async def test_it_is_current_soon_after_the_api_server_is_back(
    plane: RunningControlPlane, objects: Objects
) -> None:
    """While the server is down, its health says so."""
    key = Key("RayCluster", objects.namespace, "demo")
    async with following(plane.kubeconfig) as seen:
        plane.kill_api_server()
        await until("the trouble to show", lambda: "no answer from" in seen.of_pods.error)
        plane.start_api_server()

        async with client_of(plane.kubeconfig) as fresh:
            await Objects(fresh, objects.namespace).create_pod("later")
        await until("the pod", lambda: seen.pod_names(key) == {"later"}, seconds=10)
        await until("the trouble to be over", lambda: not seen.of_pods.error)


async def test_a_watch_that_falls_silent_is_opened_again(
    through_proxy: Path, proxy: TcpProxy, objects: Objects
) -> None:
    """Connections stay open and carry nothing, as behind a firewall that has dropped them."""
    key = Key("RayCluster", objects.namespace, "demo")
    async with following(through_proxy, silence=2.0) as seen:
        await objects.create_pod("seen")
        await until("the watch to work", lambda: seen.pod_names(key))
        proxy.stall()
        await objects.create_pod("unseen")
        await until("the silence to be noticed", lambda: "nothing came" in seen.of_pods.error)
        assert seen.pod_names(key) == {"seen"}
        proxy.cut()
        proxy.accept()

        await until("the pod", lambda: seen.pod_names(key) == {"seen", "unseen"})
        assert (seen.of_pods.gaps, seen.of_pods.relists) == (0, 0)


async def test_an_object_of_a_megabyte_and_a_half_passes(
    plane: RunningControlPlane, objects: Objects
) -> None:
    """Events after it pass too."""
    key = Key("RayCluster", objects.namespace, "demo")
    async with following(plane.kubeconfig) as seen:
        await objects.create_pod("large", text="x" * 1_400_000)
        await objects.create_pod("small")
        await until("both pods", lambda: seen.pod_names(key) == {"large", "small"})

    async with following(plane.kubeconfig) as seen:
        assert seen.pod_names(key) == {"large", "small"}
        assert seen.of_pods.relists == 0


async def test_more_pods_than_a_page_are_all_listed(plane: RunningControlPlane, objects: Objects) -> None:
    """In pages of 100."""
    names = [f"pod-{number}" for number in range(130)]
    await asyncio.gather(*(objects.create_pod(name) for name in names))

    async with following(plane.kubeconfig, objects.namespace) as seen:
        assert seen.pod_names(Key("RayCluster", objects.namespace, "demo")) == set(names)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_client_that_is_closed_has_no_connection_left(
    plane: RunningControlPlane, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Whenever its last request was cancelled. An open connection is a warning, and so an error here."""

    async def cancelled_after(seconds: float) -> None:
        async with client_of(plane.kubeconfig) as client:
            request = asyncio.create_task(client.get("/api/v1/pods"))
            await asyncio.sleep(seconds)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

    for milliseconds in range(20):
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(cancelled_after(milliseconds / 2000))
        gc.collect()


def _pods_but_failed_ones(obj: JsonObject) -> Pod:
    if obj["status"]["phase"] == "Failed":
        raise KeyError("shape")
    return pod_from_object(obj)


@asynccontextmanager
async def _reflecting(
    objects: Objects, source: Source, trim: Callable[[JsonObject], Pod] = pod_from_object
) -> AsyncIterator[tuple[Reflector[Pod], Store[Pod]]]:
    """A reflector of pods only, until the end of the block."""
    store = Store(Pod, ["RayCluster"])
    clockwork = Clockwork(time.monotonic, jitter=lambda: 0.0)
    sink = ChildSink(source.kind, source.namespace, trim, store, lambda _: None)
    reflector = Reflector(objects.client, source, sink, clockwork)
    running = asyncio.create_task(reflector.run())
    try:
        yield reflector, store
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_object_that_cannot_be_read_stops_nothing(
    objects: Objects, caplog: pytest.LogCaptureFixture
) -> None:
    """The cache keeps the last version that could be parsed."""
    await objects.create_pod("odd")
    source = Source("pods", f"/api/v1/namespaces/{objects.namespace}/pods")
    async with _reflecting(objects, source, _pods_but_failed_ones) as (_, store):
        await until("the pod", lambda: len(store) == 1)
        await objects.mark_pod_failed("odd")
        await objects.create_pod("next")

        await until("the pod after it", lambda: len(store) == 2)
        assert {pod.phase for pod in store} == {"Pending"}
        assert f"Cannot read pods {objects.namespace}/odd: unexpected shape" in caplog.text


@pytest.mark.parametrize("optional", [True, False], ids=["optional", "core"])
async def test_a_kind_that_is_absent_is_visible(objects: Objects, *, optional: bool) -> None:
    """An optional kind is unavailable, a required one is not synced, and both say so."""
    source = Source("widgets", "/apis/example.com/v1/widgets", optional=optional)
    async with _reflecting(objects, source) as (reflector, _):
        await until("the trouble to show", lambda: reflector.error)

        assert (reflector.available, reflector.synced) == (not optional, False)
        assert reflector.error.startswith("widgets in all namespaces: ")
