"""A real Prometheus scrapes real operators; its answers are what an on-call would read."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.builders import group, raycluster, spec
from support.cluster_api import Namespace
from support.faults.loop_thread import LoopThread
from support.operator_process import REPOSITORY, OperatorProcess
from support.prometheus import Prometheus, prometheus, promtool_complaints
from support.queue_scene import QueueScene, elastic
from support.waiting import eventually

JOB = "rayfleet"
WORKERS = "ray.io/node-type=worker"


@pytest.fixture
def standby(operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """A second replica, which finds the Lease held."""
    second = operator.replica("operator-1")
    second.start()
    yield second
    second.kill()


@pytest.fixture
def scraper(operator: OperatorProcess, standby: OperatorProcess, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that has scraped both."""
    targets = {"leader": operator.metrics_port, "standby": standby.metrics_port}
    with prometheus(tmp_path, JOB, targets) as running:
        up = f'count(up{{job="{JOB}"}} == 1)'
        eventually("both to be scraped", lambda: running.value(up) == len(targets))
        yield running


def ready_with_one_pending(namespace: Namespace) -> None:
    """A cluster that was complete with two workers and then asked for a third."""
    namespace.apply(raycluster(spec_fields=spec(group("gpu", 2))))
    eventually("the pods", lambda: len(namespace.living_pods()) == 3)
    namespace.make_ready()
    eventually("the cluster to be ready", lambda: namespace.status("demo").get("state") == "ready")
    namespace.patch("demo", {"workerGroupSpecs": [group("gpu", 3)]})
    eventually("the third worker", lambda: len(namespace.living_pods(WORKERS)) == 3)


def queries_of_the_how_to() -> list[str]:
    blocks = re.findall(
        r"```promql\n(.*?)```", (REPOSITORY / "docs" / "monitoring.md").read_text(), re.DOTALL
    )
    return [line for block in blocks for line in block.splitlines()]


def test_prometheus_answers_what_an_on_call_asks(
    namespace: Namespace, operator: OperatorProcess, scraper: Prometheus
) -> None:
    """Who leads, what clusters there are, how large their groups are, and what was done for them."""
    ready_with_one_pending(namespace)
    uid = namespace.cluster("demo")["metadata"]["uid"]
    place = f'{{namespace="{namespace.name}",name="demo"}}'

    def sizes() -> tuple[float | None, ...]:
        names = ("desired", "running", "pending", "ready")
        return tuple(scraper.value(f"rayfleet_worker_group_{name}_pods{place}") for name in names)

    eventually("the sizes of the group", lambda: sizes() == (3, 2, 1, 2), why=sizes)
    assert scraper.value("sum(rayfleet_leader)") == 1
    assert scraper.value('rayfleet_leader{instance="leader"}') == 1
    assert scraper.value("max(rayfleet_other_operator_alive)") == 0
    info = scraper.query(f"kuberay_cluster_info{place}")
    assert [(labels["uid"], labels["owner_kind"], value) for labels, value in info] == [(uid, "None", 1)]
    assert scraper.value(f"count(kuberay_cluster_info{place})") == 1
    provisioned = scraper.query(f"kuberay_cluster_condition_provisioned{place}")
    assert [(labels["condition"], value) for labels, value in provisioned] == [("true", 1)]
    took = scraper.value(f"kuberay_cluster_provisioned_duration_seconds{place}")
    assert took is not None
    assert 0 <= took < 30
    not_ready = scraper.query('rayfleet_cluster_condition{condition="Ready"} == 0')
    assert [labels["reason"] for labels, _ in not_ready] == ["PodsNotReady"]
    assert scraper.value('sum(rayfleet_pods_created_total{node_type="worker"})') == 3
    # Three pods, and a head's Service, and events.
    assert (scraper.value('sum(rayfleet_api_requests_total{verb="create",code="201"})') or 0) >= 5
    assert (scraper.value("sum(rayfleet_reconcile_duration_seconds_count)") or 0) >= 3
    for query in queries_of_the_how_to():
        scraper.query(query)  # Fails in Prometheus' own words where it cannot be evaluated.
    assert operator.runs


def test_a_clusters_series_go_over_with_the_lease_and_end_with_the_cluster(
    namespace: Namespace, operator: OperatorProcess, scraper: Prometheus
) -> None:
    """One replica at a time shows them; within a scrape or two of the deletion neither does."""
    ready_with_one_pending(namespace)
    count = 'count by (instance) (kuberay_cluster_info{name="demo"})'

    def shown_by() -> list[str]:
        return [labels["instance"] for labels, _ in scraper.query(count)]

    eventually("the leader to show the cluster", lambda: shown_by() == ["leader"], why=shown_by)
    assert scraper.value('min(rayfleet_informer_synced{instance="standby"})') == 1
    assert scraper.value('sum(rayfleet_reconcile_total{instance="standby"})') == 0
    assert operator.stop() < 2.5, "the scraper's open connection has held up the end"
    eventually("the other to show it", lambda: shown_by() == ["standby"], why=shown_by)
    assert scraper.value('rayfleet_leader{instance="standby"}') == 1
    namespace.delete_cluster("demo")
    ours = f'{{job="{JOB}",namespace="{namespace.name}"}}'
    eventually("no series of the cluster", lambda: not scraper.query(ours), why=lambda: scraper.query(ours))


def test_promtool_has_nothing_to_complain_about(namespace: Namespace, operator: OperatorProcess) -> None:
    """Names, help texts and types, with clusters and without."""
    assert promtool_complaints(operator.metrics()) == ""
    ready_with_one_pending(namespace)
    eventually("the cluster's series", lambda: "kuberay_cluster_info{" in operator.metrics())
    assert promtool_complaints(operator.metrics()) == ""


@pytest.fixture
def scene(namespace: Namespace) -> Iterator[QueueScene]:
    """A cluster whose Ray is pretended; it has no objects yet."""
    loop = LoopThread("pretended Ray")
    loop.start()
    made = QueueScene(namespace, "demo", loop)
    yield made
    made.close()
    loop.stop()


def test_a_cluster_that_scales_shows_what_waits_who_holds_gpus_and_why_sizes_change(
    namespace: Namespace, operator: OperatorProcess, scraper: Prometheus, scene: QueueScene
) -> None:
    """Five tasks, three workers at most; then the work ends, and the workers go."""
    place = f'namespace="{namespace.name}",name="demo"'

    def value(name: str, *labels: str) -> float | None:
        scene.play()
        return scraper.value(f"sum({name}{{{','.join(labels)}}})")

    def reason() -> list[tuple[str, float]]:
        scene.play()
        found = scraper.query(f"rayfleet_cluster_waiting_requests{{{place}}}")
        return [(labels["reason"], number) for labels, number in found]

    scene.apply(elastic())
    eventually("the queue to be known", lambda: reason() == [("None", 0)], why=reason)
    scene.ray.submit(5)
    eventually("three to have a node", lambda: bool(scene.play()) and len(scene.ray.busy) == 3)
    eventually("two to wait", lambda: reason() == [("Max", 2)], why=reason)
    assert value("rayfleet_demand", 'resource="GPU"') == 2
    assert value("rayfleet_infeasible_demand", 'resource="GPU"') == 0
    assert value("rayfleet_holds", 'cause="Max"') == 1
    assert value("rayfleet_scaling_decisions_total", 'direction="up"', 'reason="demand"') == 1
    assert value("rayfleet_worker_startup_seconds_count", 'phase="create"') == 3
    total = 'phase="total"'
    eventually("three to arrive", lambda: value("rayfleet_worker_startup_seconds_count", total) == 3)
    assert (value("rayfleet_gcs_request_duration_seconds_count", 'instance="leader"') or 0) > 3
    gpus = "rayfleet_cluster_gpu_seconds_total"
    eventually("GPUs to be used", lambda: (value(gpus, place, 'state="used"') or 0) > 3)
    assert (value(gpus, place, 'state="allocated"') or 0) >= (value(gpus, place, 'state="used"') or 0)
    while scene.ray.busy:
        scene.ray.finish(*scene.ray.busy)
    down = ('direction="down"', 'reason="idle"')
    eventually("the idle to go", lambda: (value("rayfleet_scaling_decisions_total", *down) or 0) >= 1)
    eventually("GPUs to have been idle", lambda: (value(gpus, place, 'state="idle"') or 0) > 0)
    eventually("nothing to wait", lambda: reason() == [("None", 0)], why=reason)
    assert promtool_complaints(operator.metrics()) == ""
    namespace.delete_cluster("demo")
    eventually("no series of it", lambda: not scraper.query(f"{{{place}}}"))
    assert value("rayfleet_demand") == 0
