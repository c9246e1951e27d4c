"""A head whose answers are as hard to read, and to decide about, as any that are taken in: what one costs.

Each queue has a cluster of its own, of a hundred groups. A ceiling of its namespace holds back what would be
started for it, so that nothing but answers and decisions is measured.
"""

import asyncio
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.client import MERGE_PATCH
from benchmarks.clusters import collection, group, pods, raycluster
from benchmarks.lab import Figures, Lab
from benchmarks.meter import MIB, MS
from benchmarks.operator_process import OperatorProcess
from benchmarks.rest import last_work
from benchmarks.watch import Where
from rayfleet.api.names import HEAD_GROUP
from rayfleet.ray.gcs.protocol import ray_pb2
from support.hostile_queues import QUEUES, Reply, some_of_everything
from support.operator_process import free_ports
from support.stand_in_gcs import STATE, StandInGcs

NAMESPACE = "bench-hostile"
HOST, PORT = "127.8.0.1", 6379
GROUPS = 100
SECONDS = 60.0
PROBE_EVERY = 0.005
IDLE_SECONDS = 2.0
"""How long the cost of answering the probe itself is measured."""


class Probe:
    """Polls `/healthz` in its own thread, to measure how long the event loop makes others wait."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self.longest = 0.0
        """Seconds that an answer took."""
        self.answers = 0

    def _run(self) -> None:
        while not self._over.wait(PROBE_EVERY):
            asked = time.perf_counter()
            self._connection.request("GET", "/healthz")
            self._connection.getresponse().read()
            self.longest = max(self.longest, time.perf_counter() - asked)
            self.answers += 1

    @contextmanager
    def running(self) -> Iterator["Probe"]:
        """From here to the end of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()
            self._connection.close()


async def follow_hostile_head(lab: Lab) -> Figures:
    """The worst figures over several queues."""
    await lab.namespace(NAMESPACE)
    ceiling = {"metadata": {"annotations": {"rayfleet.io/max-gpus": "0"}}}
    await lab.client.call("PATCH", f"/api/v1/namespaces/{NAMESPACE}", ceiling, content_type=MERGE_PATCH)
    (port,) = free_ports(1)
    costs: dict[str, Figures] = {}
    async with lab.operator(f"--health-port {port}") as running:
        # The first head of a process loads gRPC, which has nothing to do with its answer.
        await _cost(lab, running, Where(NAMESPACE, "first"), some_of_everything, port)
        for number, name in enumerate(list(QUEUES)[-lab.sizes.hostile_queues :]):
            where = Where(NAMESPACE, f"hostile-{number}")
            costs[name] = await _cost(lab, running, where, QUEUES[name], port)
            figures = ", ".join(f"{figure} {cost:.3g}" for figure, cost in costs[name].items())
            lab.say(f"    {name}: {figures}")
    await lab.clear(NAMESPACE)
    worst = {figure: max(cost[figure] for cost in costs.values()) for figure in next(iter(costs.values()))}
    return {**worst, "queues": costs}


async def _cost(
    lab: Lab, running: OperatorProcess, where: Where, queue: Callable[[], Reply], port: int
) -> Figures:
    """The cost of one answer, from when the head can be polled until it is polled again."""
    head = await _head_of(lab, where)
    gcs = StandInGcs()
    gcs.says(STATE, _answer(queue, head))
    await gcs.start(HOST, PORT)
    await last_work(running, time.monotonic(), within=SECONDS)
    each = await _cost_of_probing(running, port)
    before, used = running.rss(), running.cpu()
    running.forget_peak()
    try:
        with Probe(port).running() as probe:
            await _give_address(lab, head)
            # By then everything that the first answer causes has been done.
            await lab.until("a second question", lambda: _questions(gcs) > 1, running, SECONDS)
            used, peak = running.cpu() - used - probe.answers * each, running.peak_rss()
    finally:
        await gcs.stop()
        await lab.remove(where)
    return {
        "longest_wait_ms": MS * probe.longest,
        "cpu_per_answer_s": used,
        "more_mib": (peak - before) / MIB,
    }


async def _cost_of_probing(running: OperatorProcess, port: int) -> float:
    """Seconds of CPU for one answer of `/healthz`."""
    used = running.cpu()
    with Probe(port).running() as probe:
        await asyncio.sleep(IDLE_SECONDS)
    return (running.cpu() - used) / probe.answers


def _questions(gcs: StandInGcs) -> int:
    return sum(method == STATE for method, _ in gcs.requests)


async def _head_of(lab: Lab, where: Where) -> str:
    """The name of the head pod of a new cluster that follows its queue."""
    made = lab.watch.expect(where, 1, 0)
    cluster = raycluster(where.name, 0)
    cluster["spec"] |= {
        "enableInTreeAutoscaling": True,
        "workerGroupSpecs": [_group(n) for n in range(GROUPS)],
    }
    await lab.client.call("POST", collection(NAMESPACE), cluster)
    await lab.until("a head", lambda: made.complete)
    listed = await lab.client.call("GET", pods(NAMESPACE), labelSelector=f"ray.io/cluster={where.name}")
    (head,) = listed["items"]
    return str(head["metadata"]["name"])


def _group(number: int) -> dict[str, Any]:
    """No two groups are equal, and each has GPUs, so that the ceiling holds back all of them."""
    made = {**group(0), "groupName": f"g{number:02}", "maxReplicas": 10_000}
    made["labels"] = {"zone": "abcd"[number % 4]}
    amounts = {"cpu": f"{4 + number}", "memory": f"{10 + number}Gi", "nvidia.com/gpu": f"{1 + number % 8}"}
    made["template"]["spec"]["containers"][0]["resources"] = {"limits": amounts, "requests": amounts}
    return made


def _answer(queue: Callable[[], Reply], head: str) -> bytes:
    """The queue, as a head in this pod would report it."""
    reply = queue()
    itself = ray_pb2.NodeState(
        node_id=head.encode()[-28:].rjust(28, b"\0"),
        instance_id=head,
        ray_node_type_name=HEAD_GROUP,
        status=1,
    )
    nodes = reply.cluster_resource_state.node_states
    if nodes:
        nodes.pop()
    nodes.append(itself)
    return bytes(reply.SerializeToString())


async def _give_address(lab: Lab, head: str) -> None:
    status = {"podIP": HOST, "podIPs": [{"ip": HOST}]}
    path = f"{pods(NAMESPACE)}/{head}/status"
    await lab.client.call("PATCH", path, {"status": status}, content_type=MERGE_PATCH)
