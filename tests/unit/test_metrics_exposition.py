"""The metrics as a scraper reads them."""

import asyncio
import gc
import time
import tracemalloc

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from checks.pace import slowdown
from metrics.page import reference
from rayfleet.autoscaling import HoldKind, Waiting
from rayfleet.engine.conditions import rfc3339
from rayfleet.engine.workqueue import Done, Retry, WorkQueue
from rayfleet.kube.informer import Health
from rayfleet.kube.objects.keys import Key, Owner
from rayfleet.ray.polling import Moment, Observation
from rayfleet.telemetry.http_server import ListenError
from rayfleet.telemetry.metrics import MetricsServer
from rayfleet.telemetry.metrics.cluster_definitions import CLUSTERS
from rayfleet.telemetry.metrics.definitions import SECTIONS
from rayfleet.telemetry.metrics.job_definitions import JOBS
from support.builders import NOW, cluster, head, worker
from support.demand_cases import node, resources, state
from support.operator_process import free_ports
from support.scraping import OPEN_METRICS, PLAIN_TEXT, Scene

OF_CLUSTERS = {of.name for of in CLUSTERS.definitions}
OF_JOBS = {of.name for of in JOBS.definitions}
OF_OBJECTS = OF_CLUSTERS | OF_JOBS
BEGAN = rfc3339(NOW - 60)
HELD = {"type": "ResourcesHeld", "status": "True", "reason": "NoRule"}
ENDED = {"jobDeploymentStatus": "Failed", "startTime": BEGAN, "endTime": rfc3339(NOW), "conditions": [HELD]}
SILENT = {"jobDeploymentStatus": "Running", "startTime": BEGAN, "jobStatusCheckFailureStartTime": BEGAN}
HEALTH = Health(
    kind="pods", namespace=None, synced=True, available=True, age=3.0, error="", gaps=2, losses=1, relists=1
)


def full() -> Scene:
    """A leader with one ready cluster of four pods that follows its queue, and cannot have a fifth.

    It was made for a job that has ended. The dashboard of another job is silent.
    """
    scene = Scene(informers=[HEALTH])
    of = replace(cluster(), owner=Owner("RayJob", "ended", "uid-of-ended"))
    scene.store_job("ended", {**ENDED, "rayClusterName": of.key.name})
    scene.store_job("silent", SILENT)
    scene.heads[of.key] = Observation(of.uid, state(), Moment(NOW, 0.0))
    pods = [head(of), *(worker(of, n) for n in (1, 2, 3))]
    status = scene.store(of, pods)
    status["workerGroups"][0]["reason"] = "QuotaExceeded"
    scene.accounts.scaling.note(of.key, of.uid, Waiting(), frozenset(), frozenset())
    scene.store(replace(of, resource_version=1001), status=status)
    scene.calls.count("create", 201)
    scene.gcs_calls.count("DrainNode", "ok")
    scene.dashboard_calls.count("GetJob", "ok")
    return scene


@pytest.mark.parametrize("accept", [PLAIN_TEXT, OPEN_METRICS])
async def test_both_formats_can_be_parsed_and_are_equivalent(accept: str) -> None:
    """A parser of each format finds every defined metric with its defined labels."""
    found = {sample.name: set(sample.labels) for sample in await full().samples(accept)}
    for section in SECTIONS:
        for of in section.definitions:
            names = {f"{of.name}_sum", f"{of.name}_count"} if of.buckets else {of.name}
            assert names <= found.keys()
            assert all(found[name] == set(of.labels) for name in names)


async def test_only_defined_metrics_are_shown() -> None:
    """So the reference page, which is generated from the definitions, is complete."""
    defined = {of.name for section in SECTIONS for of in section.definitions}
    shown = {sample.name for sample in await full().samples()}
    parts = ("_bucket", "_sum", "_count")
    assert {next((n.removesuffix(p) for p in parts if n.endswith(p)), n) for n in shown} == defined
    assert all(f"`{name}`" in reference() for name in defined)


async def test_the_series_of_a_cluster_and_of_a_job_are_gone_when_it_is() -> None:
    """Nothing is kept of them between two scrapes."""
    scene = full()
    of = cluster()
    shown = [s for s in await scene.samples() if s.labels.get("name") == of.key.name]
    assert {sample.name for sample in shown} == OF_CLUSTERS
    scene.clusters.remove(of.key, of.uid)
    left = await scene.samples()
    assert not [s for s in left if of.key.name in s.labels.values() or s.name in OF_CLUSTERS]
    assert [s for s in left if s.labels.get("name") == "silent"]
    for name in ("ended", "silent"):
        scene.jobs.remove(Key("RayJob", "ml", name), f"uid-of-{name}")
    assert not [s for s in await scene.samples() if s.name in OF_OBJECTS]


async def test_a_standby_shows_no_cluster_and_no_job() -> None:
    """Both replicas are scraped, and a sum over them must not count anything twice."""
    scene = full()
    scene.leading = False
    names = {sample.name for sample in await scene.samples()}
    assert not names & OF_OBJECTS
    assert await scene.value("rayfleet_leader") == 0
    scene.leading = True
    assert await scene.value("rayfleet_leader") == 1


async def test_the_gauges_of_scaling_are_0_on_a_standby() -> None:
    """A pass may have reported after the Lease was lost. Counters never fall."""
    scene, of = full(), cluster()
    waiting = Waiting(5, "Infeasible", (5.0, 0, 0, 0, 0), (5.0, 0, 0, 0, 0))
    scene.accounts.scaling.note(of.key, of.uid, waiting, frozenset({HoldKind.INFEASIBLE}), frozenset())
    scene.accounts.scaling.decisions["up", "demand"] += 1
    for leading in (True, False):
        scene.leading = leading
        for name in ("rayfleet_demand", "rayfleet_infeasible_demand"):
            assert await scene.value(name, {"resource": "CPU"}) == (5 if leading else 0)
        assert await scene.value("rayfleet_holds", {"cause": "Infeasible"}) == leading
        up = {"direction": "up", "reason": "demand"}
        assert await scene.value("rayfleet_scaling_decisions_total", up) == 1


async def test_a_scrape_during_which_the_lease_is_lost_shows_and_counts_no_cluster() -> None:
    """The other leader counts the GPU-seconds from then on, and this one from 0 in its next term."""
    scene, of = Scene(), cluster()
    for n in range(3):
        each = cluster(name=f"demo-{n}", uid=f"uid-{n}")
        scene.store(each, [worker(each, 1, gpus=8)])

    async def lose() -> None:
        scene.leading = False
        scene.accounts.forget_all()

    _, parts = scene.exposition(pause=lose).answer(PLAIN_TEXT)
    assert of.key.name not in b"".join([part async for part in parts]).decode()
    scene.now, scene.leading = 7200.0, True
    found = [s.value for s in await scene.samples() if s.name == "rayfleet_cluster_gpu_seconds_total"]
    assert found == [0.0] * 3


async def test_a_scrape_takes_little_more_memory_than_its_text() -> None:
    """Its lines are joined a thousand at a time, and a cluster shows 32 of its groups."""
    scene = Scene()
    groups = [{"groupName": f"group-{n:03}", "desired": 3} for n in range(100)]
    for n in range(256):
        scene.store(cluster(name=f"demo-{n}", uid=f"uid-{n}"), status={"workerGroups": groups})
    _, parts = scene.exposition().answer(PLAIN_TEXT)
    await anext(parts)  # The operator's own metrics.
    tracemalloc.start()
    try:
        text = [part async for part in parts]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(part.count(b"rayfleet_worker_group_ready_pods{") for part in text) == 256 * 32
    assert max(part.count(b"\n") for part in text) <= 1002
    assert peak < 1.5 * sum(map(len, text))


def store_fleet(scene: Scene) -> None:
    """2,000 clusters that follow their queue, with 8,000 pods, and 2,000 jobs.

    Of these 1,000 have ended, 100 of which hold their cluster, and 100 wait for theirs.
    """
    status = None
    total, free = resources(CPU=8, GPU=4, memory=1e9, object_store_memory=1e9), resources(CPU=2, GPU=1)
    for number in range(2000):
        owner = Owner("RayJob", f"job-{number}", f"uid-of-job-{number}")
        of = replace(cluster(name=f"demo-{number}", uid=f"uid-{number}"), owner=owner)
        pods = [head(of), *(worker(of, n, gpus=4) for n in (1, 2, 3))]
        status = scene.store(of, pods, status)
        nodes = [node(pod.name, "gpu", total, available=free) for pod in pods[1:]]
        scene.heads[of.key] = Observation(of.uid, state(nodes=nodes), Moment(NOW, 0.0))
        waiting = Waiting(3, "Max", demand=(0.0, 3.0, 0.0, 0.0, 0.0))
        scene.accounts.scaling.note(of.key, of.uid, waiting, frozenset({HoldKind.MAX}), frozenset())
        scene.store_job(owner.name, {**a_status(number), "rayClusterName": of.key.name})


def a_status(number: int) -> dict[str, object]:
    """The status of one of these jobs."""
    conditions = [
        {"type": kind, "status": "False", "reason": "NotFailed", "message": "", "lastTransitionTime": BEGAN}
        for kind in ("Valid", "Progressing", "Complete", "Failed")
    ]
    if number % 2:
        held = [HELD] if number % 20 == 1 else []
        return {**ENDED, "message": "exit code 1 " * 20, "conditions": [*conditions, *held]}
    state = "Initializing" if number % 20 == 0 else "Running"
    return {**SILENT, "jobDeploymentStatus": state, "message": "running " * 20, "conditions": conditions}


async def test_a_scrape_of_2000_clusters_and_2000_jobs_never_holds_the_event_loop_for_long() -> None:
    """In processor time of the loop's thread: half a second in all, and little of it between two turns."""
    scene, turns, asked = Scene(), [0.0], 0.0
    store_fleet(scene)

    async def pause() -> None:
        nonlocal asked
        turns.append(time.thread_time() - asked)
        await asyncio.sleep(0)
        asked = time.thread_time()

    gc.collect()
    gc.disable()  # To go through the objects of a whole test run takes longer than a scrape.
    asked, lines = time.thread_time(), 0
    _, parts = scene.exposition(pause=pause).answer(OPEN_METRICS)
    async for part in parts:
        lines += part.count(b"\n")
    turns.append(time.thread_time() - asked)
    gc.enable()
    assert lines > 32_000 + 2000 * 3
    assert max(turns) < 0.02 * slowdown()
    assert sum(turns) < 0.5 * slowdown()


async def test_the_work_queue_shows_waiting_keys_their_age_and_running_ones() -> None:
    """With one worker, the second cluster waits for the first."""
    gate = asyncio.Event()

    async def work(_: Key) -> Done:
        await gate.wait()
        return Done()

    scene = Scene(queue=WorkQueue(work, concurrency=1, first_backoff=0.01, longest_backoff=0.04))
    scene.queue.start()
    for name in ("a", "b"):
        scene.queue.add(Key("RayCluster", "ml", name))
    await asyncio.sleep(0.02)  # For as long as the ages below are.
    assert await scene.value("rayfleet_workqueue_depth") == 1
    assert await scene.value("rayfleet_reconcile_active_workers") == 1
    for age in ("oldest_age_seconds", "longest_running_processor_seconds"):
        assert 0.015 <= (await scene.value(f"rayfleet_workqueue_{age}") or 0.0) < 5
    gate.set()
    async with asyncio.timeout(5):
        while scene.queue.depth:
            await asyncio.sleep(0)
    for name in ("depth", "oldest_age_seconds", "longest_running_processor_seconds"):
        assert await scene.value(f"rayfleet_workqueue_{name}") == 0


async def test_a_cluster_in_backoff_does_not_count_as_waiting() -> None:
    """Its own gauge and that of retries show it until it succeeds or another operator leads."""
    answers = iter((Retry("not yet"), Done()))

    async def work(_: Key) -> Done | Retry:
        return next(answers)

    scene = Scene(queue=WorkQueue(work, concurrency=1, first_backoff=60, longest_backoff=60))
    scene.queue.start()
    scene.queue.add(Key("RayCluster", "ml", "a"))
    async with asyncio.timeout(5):
        while not scene.queue.failing:
            await asyncio.sleep(0)
        assert await scene.value("rayfleet_workqueue_backoff_keys") == 1
        assert await scene.value("rayfleet_workqueue_depth") == 0
        scene.leading = False
        assert await scene.value("rayfleet_workqueue_backoff_keys") == 0
        scene.leading = True
        scene.queue.add(Key("RayCluster", "ml", "a"))
        while scene.queue.failing:
            await asyncio.sleep(0)
    assert await scene.value("rayfleet_workqueue_backoff_keys") == 0
    assert await scene.value("rayfleet_workqueue_retries_total") == 1


async def test_keys_that_a_standby_keeps_do_not_count_as_a_queue() -> None:
    """Neither before it leads for the first time nor after its last term."""
    scene = Scene()
    scene.queue.add(Key("RayCluster", "ml", "a"))
    assert await scene.value("rayfleet_workqueue_depth") == 0
    scene.queue.start()
    scene.queue.add(Key("RayCluster", "ml", "b"))
    scene.queue.pause()
    assert await scene.value("rayfleet_workqueue_depth") == 0
    assert await scene.value("rayfleet_workqueue_oldest_age_seconds") == 0
    await scene.queue.stop(grace=1)


async def test_calls_informers_and_another_operator_are_shown_as_they_are() -> None:
    """Each part reports its own state."""
    scene = full()
    scene.calls.count("create", 201)
    scene.gcs_calls.count("DrainNode", "ok")
    scene.calls.count("watch", 0)
    scene.other_operator = "kuberay/ray-operator-leader"
    scene.ignored_leases = 2
    scene.unavailable = {"red": "pods have not been listed yet: you may not", "blue": None}
    everywhere = {"kind": "pods", "scope": "*"}
    for name, labels, wanted in (
        ("rayfleet_api_requests_total", {"verb": "create", "code": "201"}, 2),
        ("rayfleet_api_requests_total", {"verb": "watch", "code": "0"}, 1),
        ("rayfleet_gcs_requests_total", {"method": "DrainNode", "outcome": "ok"}, 2),
        ("rayfleet_informer_age_seconds", everywhere, 3),
        ("rayfleet_informer_synced", everywhere, 1),
        ("rayfleet_informer_relists_total", everywhere, 1),
        ("rayfleet_informer_gaps_total", everywhere, 1),
        ("rayfleet_other_operator_alive", {}, 1),
        ("rayfleet_other_operator_leases_ignored", {}, 2),
        ("rayfleet_namespace_unavailable", {"scope": "red"}, 1),
        ("rayfleet_namespace_unavailable", {"scope": "blue"}, 0),
    ):
        assert await scene.value(name, labels) == wanted, name


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [(OPEN_METRICS, "application/openmetrics-text"), (PLAIN_TEXT, "text/plain"), ("*/*", "text/plain")],
)
async def test_the_server_answers_in_the_format_that_is_asked_for(accept: str, content_type: str) -> None:
    """It serves only /metrics."""
    (port,) = free_ports(1)
    server = MetricsServer("127.0.0.1", port, full().exposition())
    await server.start()
    try:
        async with ClientSession() as session:
            url = f"http://127.0.0.1:{port}/metrics"
            async with session.get(url, headers={"Accept": accept}) as answer:
                assert (answer.status, answer.content_type) == (200, content_type)
                assert "kuberay_cluster_info" in await answer.text()
            async with session.get(url.replace("metrics", "x")) as answer:
                assert answer.status == 404
    finally:
        await server.stop()


async def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    """Two operators on one machine with their defaults need the same port."""
    (port,) = free_ports(1)
    first, second = (MetricsServer("127.0.0.1", port, full().exposition()) for _ in range(2))
    await first.start()
    try:
        with pytest.raises(ListenError, match=f"--metrics-port: cannot listen on 127.0.0.1:{port}"):
            await second.start()
    finally:
        await first.stop()


async def test_port_0_starts_no_server() -> None:
    """The setting says so."""
    server = MetricsServer("127.0.0.1", 0, full().exposition())
    await server.start()
    await server.stop()
