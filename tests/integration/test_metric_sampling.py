"""A group follows a queue that a real Prometheus has scraped."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rayfleet.api.raycluster.autoscaler_options import Metric
from rayfleet.kinds.raycluster.sources.prometheus import PrometheusClient
from rayfleet.kinds.raycluster.sources.sampler import MetricSampler
from rayfleet.kube.objects.keys import Key
from rayfleet.settings.scaling import ScalingSettings, parse_scaling_settings
from support.prometheus import Prometheus, prometheus
from support.waiting import eventually

KEY = Key("RayCluster", "team-a", "demo")


class Exporter(ThreadingHTTPServer):
    """Shows the length of one queue; none: the queue is not there."""

    length: int | None = 11

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)


class Page(BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        if self.server.length is not None:
            for cluster, length in (("demo", self.server.length), ("other", 999)):
                labels = f'namespace="team-a",cluster="{cluster}"'
                self.wfile.write(f"queue_length{{{labels}}} {length}\n".encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    with Exporter() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def scraper(exporter: Exporter, tmp_path: Path) -> Iterator[Prometheus]:
    with prometheus(tmp_path, "queue", {"queue": exporter.server_address[1]}) as running:
        eventually("the queue to be scraped", lambda: running.query("queue_length"))
        yield running


def metric(query: str, group: str) -> Metric:
    return Metric(type="Prometheus", query=query, target_value=5, worker_group=group)


def settings(port: int) -> ScalingSettings:
    selector = '{namespace="$namespace",cluster="$cluster"}'
    texts = {"length": f"sum(queue_length{selector})", "all": "queue_length", "wrong": "sum(queue_length"}
    server = f"http://127.0.0.1:{port}"
    queries = [{"name": name, "server": server, "query": text} for name, text in texts.items()]
    read = parse_scaling_settings({"queries": queries})
    assert isinstance(read, ScalingSettings), read
    return read


async def until(what: str, holds: Callable[[], bool], why: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, (
            f"timed out after 10 s waiting for {what}; last seen: {why()}"
        )
        await asyncio.sleep(0.05)


async def test_a_group_follows_what_prometheus_says(exporter: Exporter, scraper: Prometheus) -> None:
    """It counts its own cluster alone; a queue that is away leaves what was known, and faults are named."""
    client, changed = PrometheusClient(), asyncio.Event()
    given = settings(scraper.port)
    sampler = MetricSampler(given.queries, client.ask, lambda _: changed.set(), interval=0.2)
    running = asyncio.create_task(sampler.run())
    try:
        sampler.follow(KEY, (metric("length", "gpu"), metric("all", "cpu"), metric("wrong", "tpu")))

        def replicas() -> list[int | None]:
            return [each.replicas for each in sampler.metric_replicas(KEY)]

        def faults() -> list[str]:
            return [fault.message for each in sampler.metric_replicas(KEY) for fault in each.faults]

        await until("each query to be answered", lambda: "no answer yet" not in str(faults()), faults)
        assert replicas() == [3, None, None]
        assert faults()[0] == (
            "the query 'all' failed: there are 2 series: put sum() or max() around the query"
        )
        assert "the query 'wrong' failed: HTTP 400 (" in faults()[1]
        assert "parse error" in faults()[1]

        changed.clear()
        exporter.length = 40
        await until("the group to grow", lambda: replicas()[0] == 8, replicas)
        assert changed.is_set()

        exporter.length = None
        gone = (
            "the query 'length' failed: there is no series: if that means 0, add `or vector(0)` to the query"
        )
        await until("the queue to be away", lambda: gone in faults(), faults)
        assert replicas()[0] == 8
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await client.close()
