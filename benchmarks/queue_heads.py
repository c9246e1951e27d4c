"""Ray heads without Ray, as a process of its own: each at its address, with nodes that are idle.

`python -m benchmarks.queue_heads FILE`; the file has a list of `{"address": ..., "nodes": {name: group}}`.
It prints a line when all of them listen, and the number of questions so far each second.
"""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from benchmarks.bed import REPOSITORY
from benchmarks.operator_process import WITH_US
from rayfleet.ray.gcs.protocol import ray_pb2

STATE = "GetClusterResourceState"
IDLE = 3
MS = 1000
STOP_SECONDS = 10.0


class HeadsProcess:
    """Runs the heads of a fleet in a process next to the harness."""

    def __init__(self, heads: Sequence[Mapping[str, Any]], folder: Path) -> None:
        given, self._output = folder / "heads.json", folder / "heads.log"
        given.write_text(json.dumps(heads))
        self._output.write_text("")
        environment = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'operator'}:{REPOSITORY / 'hack'}"}
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*WITH_US, sys.executable, "-m", "benchmarks.queue_heads", str(given)],
                env=environment,
                stdout=output,
                stderr=output,
            )

    def asked(self) -> int | None:
        """Requests so far; 0 before they listen. Raises RuntimeError if they have ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the heads have ended: {self._output.read_text()[-500:]}")
        lines = [line for line in self._output.read_text().split("\n")[:-1] if line.isdecimal()]
        return int(lines[-1]) if lines else None

    def stop(self) -> None:
        """End them."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Head(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """The GCS of one cluster."""

    asked = 0

    def __init__(self, nodes: Mapping[str, str]) -> None:
        self._began = time.monotonic()
        self._reply = ray_pb2.GetClusterResourceStateReply(
            cluster_resource_state=ray_pb2.ClusterResourceState(
                node_states=[_node(name, group) for name, group in nodes.items()],
                cluster_session_name="session_1",
            )
        )

    def service(self, details: Any) -> Any:  # noqa: ANN401 - grpc has no types
        known = details.method.rpartition("/")[2] == STATE
        return grpc.unary_unary_rpc_method_handler(self._state if known else self._nothing)

    async def _state(self, _request: bytes, _context: object) -> bytes:
        _Head.asked += 1
        state = self._reply.cluster_resource_state
        state.cluster_resource_state_version += 1
        for node in state.node_states:
            node.idle_duration_ms = int((time.monotonic() - self._began) * MS)
        return bytes(self._reply.SerializeToString())

    async def _nothing(self, _request: bytes, _context: object) -> bytes:
        return b""


def _node(name: str, group: str) -> Any:  # noqa: ANN401 - messages have no types
    resources = {"CPU": 1.0, "memory": 1e9, "object_store_memory": 1e8}
    return ray_pb2.NodeState(
        node_id=hashlib.sha224(name.encode()).digest(),
        instance_id=name,
        ray_node_type_name=group,
        available_resources=resources,
        total_resources=resources,
        status=IDLE,
        node_ip_address="10.0.0.1",
        labels={"ray.io/node-group": group, "ray.io/node-id": name},
    )


async def _serve(heads: Sequence[Mapping[str, Any]]) -> None:
    servers = []
    for head in heads:
        server = grpc.aio.server(handlers=[_Head(head["nodes"])], options=[("grpc.so_reuseport", 0)])
        server.add_insecure_port(head["address"])
        await server.start()
        servers.append(server)
    while True:
        print(_Head.asked, flush=True)
        await asyncio.sleep(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asyncio.run(_serve(json.loads(Path(sys.argv[1]).read_text())))
