"""Clusters that follow their queue, on a real API server; Ray is pretended, and the test is the kubelet."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from support.cluster_api import ClusterApi, Namespace, unready
from support.faults.loop_thread import LoopThread
from support.operator_process import OperatorProcess, grant_lease, service_account_kubeconfig
from support.pretend_ray import IDLE, Reply
from support.queue_scene import GROUP, QueueScene, elastic, gpu_group
from support.waiting import eventually, throughout

MAX_GPUS = "rayfleet.io/max-gpus"
QUEUE = "kueue.x-k8s.io/queue-name"
Scenes = Callable[..., QueueScene]


class _Metrics(BaseHTTPRequestHandler):
    """A Prometheus that answers each query with one series."""

    def do_GET(self) -> None:
        series = {"metric": {}, "value": [0, "10"]}
        body = {"status": "success", "data": {"resultType": "vector", "result": [series]}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def prometheus() -> Iterator[str]:
    """The address of a server that answers every query with 10."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Metrics) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def namespaces(api: ClusterApi) -> tuple[Namespace, Namespace]:
    """One namespace for most clusters, and one that may have two GPUs."""
    for name in ("queues", "capped"):
        api.create_namespace(name)
    grant_lease(api, "queues")
    body = {"metadata": {"annotations": {MAX_GPUS: "2"}}}
    api.call("PATCH", "/api/v1/namespaces/capped", body, content_type="application/merge-patch+json")
    return api.namespace("queues"), api.namespace("capped")


@pytest.fixture(scope="module", autouse=True)
def shared_operator(
    api: ClusterApi,
    namespaces: tuple[Namespace, Namespace],
    prometheus: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorProcess]:
    """One operator for all tests of this file, each of which has a cluster of its own."""
    folder = tmp_path_factory.mktemp("queues")
    settings = folder / "scaling.yaml"
    settings.write_text(json.dumps({"queries": [{"name": "jobs", "server": prometheus, "query": "jobs"}]}))
    names = [word for namespace in namespaces for word in ("--namespace", namespace.name)]
    arguments = [*names, "--lease-namespace", names[1], "--scaling-config", str(settings)]
    process = OperatorProcess(service_account_kubeconfig(api, folder), folder, arguments)
    process.start()
    yield process
    assert process.runs, process.last_words()
    process.kill()


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    started = LoopThread("pretended Ray")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def scenes(namespaces: tuple[Namespace, Namespace], loop: LoopThread) -> Iterator[Scenes]:
    """Creates clusters; at the end of the test none of them may have lost work."""
    made: list[QueueScene] = []

    def make(name: str, *, capped: bool = False) -> QueueScene:
        made.append(QueueScene(namespaces[capped], name, loop))
        return made[-1]

    yield make
    for scene in made:
        scene.play()
        scene.namespace.delete_cluster(scene.name)
        scene.close()
        assert not scene.ray.lost


def workers(scene: QueueScene, count: int, *, starts: bool = True) -> set[str]:
    """The names of the workers, once there are so many."""
    found: set[str] = set()

    def there() -> bool:
        found.clear()
        found.update(scene.play(starts=starts))
        return len(found) == count

    eventually(f"{count} workers", there, why=lambda: (scene.stored.get("status"), scene.ray.drains))
    return found


def message(scene: QueueScene, reason: str) -> str:
    """The message of the condition Autoscaling, once it has this reason."""

    def look() -> str:
        condition = scene.namespace.condition(scene.name, "Autoscaling")
        return str(condition["message"]) if condition.get("reason") == reason else ""

    return eventually(f"the condition Autoscaling to say {reason}", look, why=lambda: scene.stored["status"])


def test_demand_brings_workers_up_to_max_and_the_rest_is_reported(scenes: Scenes) -> None:
    """The status, the condition and events say so; and Ray learns of the pods on their way."""
    scene = scenes("demand")
    scene.apply(elastic(options={"failInfeasibleTasks": True}))
    scene.ray.submit(5)
    scene.ray.larger = {4: 1}
    coming = workers(scene, 3, starts=False)
    words = message(scene, "DemandHeld")
    unserved = scene.autoscaler["unserved"]
    assert {entry["resources"]["GPU"] for entry in unserved} == {"1", "4"}, unserved
    assert any("max" in entry["message"] for entry in unserved), unserved
    assert words == scene.autoscaler["summary"]
    assert any("0 -> 3 pods" in note for note in eventually("an event", lambda: scene.notes("ScalingUp")))
    assert any("4 GPU" in note for note in scene.notes("DemandHeld"))

    def pending() -> set[str]:
        return {pod.instance_id for pod in scene.ray.reports[-1].pending_instances}

    eventually("Ray to learn of the pods on their way", lambda: pending() == coming)
    assert workers(scene, 3) == coming
    eventually("Ray to learn that it has joined", lambda: not pending())
    versions = [report.autoscaler_state_version for report in scene.ray.reports]
    assert versions == sorted(set(versions))
    failed = [report.infeasible_resource_requests for report in scene.ray.reports]
    assert {request.resources_bundle["GPU"] for requests in failed for request in requests} == {4.0}


def test_an_idle_worker_goes_once_ray_has_drained_it_and_a_busy_one_stays(scenes: Scenes) -> None:
    """A worker stays too that Ray calls idle, and that is busy when Ray is asked to drain it."""
    scene = scenes("idle")
    scene.apply(elastic())
    scene.ray.submit(3)
    idle, secretly_busy, _ = sorted(workers(scene, 3))
    eventually("all to be busy", lambda: len(scene.ray.busy) == 3)

    def says_idle(reply: Reply) -> Reply:
        for state in reply.cluster_resource_state.node_states:
            if state.instance_id == secretly_busy:
                state.status, state.idle_duration_ms = IDLE, 60_000
        return reply

    scene.ray.lie = says_idle
    scene.ray.finish(idle)
    eventually("the idle one to be drained", lambda: (idle, True) in scene.ray.drains)
    eventually("its pod to go", lambda: idle not in scene.play())
    eventually("the other to be asked for", lambda: (secretly_busy, False) in scene.ray.drains)
    assert any(secretly_busy in note for note in eventually("an event", lambda: scene.notes("DrainRefused")))
    throughout("two workers are left", lambda: len(scene.play()) == 2, seconds=1)
    assert (secretly_busy, True) not in scene.ray.drains


def test_sizes_are_written_to_the_spec_and_an_edit_meanwhile_is_not_lost(scenes: Scenes) -> None:
    """Only `replicas` is written, while a user edits the same object."""
    scene = scenes("spec")
    scene.apply(elastic(gpu_group(), gpu_group("other"), options={"target": "Spec"}))
    eventually("the head", lambda: scene.play() == set() and scene.ray.polls)
    before = scene.stored["spec"]
    scene.ray.submit(3)
    edits = 0

    def edited() -> bool:
        nonlocal edits
        edits += 1
        user_edits(scene, edits)
        return len(scene.play()) == 3

    eventually("3 workers, while a user edits", edited)
    eventually("the size in the spec", lambda: scene.replicas() + scene.replicas(1) == 3)
    scene.ray.finish(*scene.ray.busy)
    workers(scene, 0)
    eventually("the size in the spec", lambda: scene.replicas() + scene.replicas(1) == 0)
    before["workerGroupSpecs"][1]["maxReplicas"] = 3 + edits
    assert scene.stored["spec"] == before


def user_edits(scene: QueueScene, number: int) -> None:
    path = f"/apis/ray.io/v1/namespaces/{scene.namespace.name}/rayclusters/{scene.name}"
    patch: Any = [{"op": "replace", "path": "/spec/workerGroupSpecs/1/maxReplicas", "value": 3 + number}]
    scene.namespace.api.call("PATCH", path, patch, content_type="application/json-patch+json")


def test_sizes_are_in_the_spec_of_a_cluster_that_kueue_counts(scenes: Scenes) -> None:
    """Its label is enough; no setting asks for it."""
    scene = scenes("kueue")
    scene.apply(elastic(), labels={QUEUE: "team"})
    scene.ray.submit(2)
    workers(scene, 2)
    assert scene.replicas() == 2


def test_an_annotation_of_the_namespace_holds_growth_and_is_named(scenes: Scenes) -> None:
    """The namespace may have two GPUs, whatever the group's max is."""
    scene = scenes("ceiling", capped=True)
    scene.apply(elastic())
    scene.ray.submit(3)
    workers(scene, 2)
    assert MAX_GPUS in message(scene, "DemandHeld")
    throughout("there are no more workers", lambda: len(scene.play()) == 2, seconds=1)


def test_a_metric_raises_a_group(scenes: Scenes) -> None:
    """Prometheus says 10, of which a replica takes 5; the queue asks for nothing."""
    scene = scenes("metric")
    metric = {"type": "Prometheus", "query": "jobs", "targetValue": "5", "workerGroup": GROUP}
    scene.apply(elastic(options={"metrics": [metric]}))
    workers(scene, 2)
    throughout("the idle workers stay", lambda: len(scene.play()) == 2, seconds=2)
    assert not scene.ray.drains


def test_a_query_that_the_admin_has_not_defined_is_named_and_not_scaled_by(scenes: Scenes) -> None:
    """`status.autoscaler.faults` names it; the queue still counts."""
    scene = scenes("unknown-query")
    metric = {"type": "Prometheus", "query": "nope", "targetValue": "5", "workerGroup": GROUP}
    scene.apply(elastic(options={"metrics": [metric]}))
    scene.ray.submit(1)
    workers(scene, 1)
    assert any("nope" in fault for fault in scene.autoscaler["faults"])


def test_work_goes_to_the_fallback_while_a_secret_is_missing_and_the_status_says_so(scenes: Scenes) -> None:
    """A pod that has a node and never starts does not count as capacity on its way."""
    scene = scenes("stuck")
    fast = gpu_group("fast", fallback={"groups": ["cheap"], "afterSeconds": 1})
    scene.apply(elastic(fast, gpu_group("cheap")))
    scene.ray.submit(1)
    (stuck,) = workers(scene, 1, starts=False)
    assert "-fast-" in stuck
    waits = {"reason": "CreateContainerConfigError", "message": 'secret "not-there" not found'}
    scene.namespace.set_pod_status(stuck, unready({"waiting": waits}))
    (other,) = workers(scene, 2, starts=False) - {stuck}
    assert "-cheap-" in other
    words = 'CreateContainerConfigError of container ray: secret "not-there" not found'

    def is_said(condition: str) -> bool:
        # Again, as the scheduler, which has no node for the pod, may say so after us.
        scene.namespace.set_pod_status(stuck, unready({"waiting": waits}))
        return words in scene.namespace.condition(scene.name, condition).get("message", "")

    for condition in ("Ready", "Autoscaling"):
        what, look = f"{condition} to name the Secret", partial(is_said, condition)
        eventually(what, look, why=lambda: scene.stored["status"])


def test_pods_that_have_not_joined_go_at_once_when_the_maximum_is_lowered(scenes: Scenes) -> None:
    """Their tasks go on waiting, and no more than the maximum is wanted."""
    scene = scenes("lowered")
    scene.apply(elastic())
    scene.ray.submit(3)
    workers(scene, 3, starts=False)
    scene.namespace.patch(scene.name, elastic(gpu_group(maxReplicas=1)))
    workers(scene, 1, starts=False)
    eventually("one to be desired", lambda: scene.stored["status"]["workerGroups"][0]["desired"] == 1)
    assert "max of 1" in message(scene, "DemandHeld")
    throughout("one worker is left", lambda: len(scene.play(starts=False)) == 1, seconds=1)


def test_a_head_that_asks_for_something_new_each_second_is_reported_ten_times_at_most(
    scenes: Scenes,
) -> None:
    """It runs its tenant's code; each write of a status, and each event, goes to everybody who watches."""
    scene = scenes("chatty")
    scene.apply(elastic())

    def is_known() -> bool:
        scene.play()
        return bool(scene.autoscaler.get("queue", {}).get("known"))

    eventually("the queue to be known", is_known)
    first = scene.ray.polls

    def something_new(reply: Reply) -> Reply:
        new = reply.cluster_resource_state.pending_resource_requests.add(count=1)
        new.request.resources_bundle[f"name-{scene.ray.polls}"] = 1.0
        return reply

    versions, scene.ray.lie = set[str](), something_new
    asked = 20

    def heard() -> bool:
        versions.add(scene.stored["metadata"]["resourceVersion"])
        return scene.ray.polls >= first + asked

    eventually("it to have been asked often", heard, seconds=3.0 * asked)
    reports = len(versions) - 1 + len(scene.notes("DemandHeld"))
    assert 5 <= reports <= 10 + 3.0 * asked / 30
    assert "name-" in scene.autoscaler["summary"]
