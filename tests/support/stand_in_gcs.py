"""A stand-in for the GCS of Ray heads: a real gRPC server with prepared answers, for one head or a thousand.

For many: listen on `0.0.0.0` and dial 127.1.0.1, 127.1.0.2 ... on one port. Heads that are to differ have
a token each, or a port and a server each.
`python -m support.stand_in_gcs PORT` serves idle clusters until it is ended (PYTHONPATH=operator:tests).
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
import grpc.aio

from rayfleet.ray.gcs.protocol import ray_pb2

Answer: TypeAlias = Callable[[bytes], Awaitable[bytes | grpc.StatusCode]]
"""From a request to its answer, or to the status to refuse it with."""
STATE = "GetClusterResourceState"


class StandInGcs:
    """Answers each method by its last name, as `answers` says; others are unimplemented."""

    def __init__(self, token: str | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.token = token
        self.words = ""
        """The message of a refusal."""
        self.requests: list[tuple[str, bytes]] = []
        self.peers: Counter[str] = Counter()
        self._server: Any = None
        self._host = "127.0.0.1"
        self._port = 0

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    @property
    def listens(self) -> bool:
        return self._server is not None

    def says(self, method: str, message: object) -> None:
        """Answer `method` with `message` from now on."""
        raw: bytes = message if isinstance(message, bytes) else message.SerializeToString()  # type: ignore[attr-defined]  # messages have no types

        async def answer(_request: bytes) -> bytes:
            return raw

        self.answers[method] = answer

    def refuses(self, method: str, code: grpc.StatusCode, words: str = "") -> None:
        """Refuse `method` with `code` from now on."""
        self.words = words

        async def answer(_request: bytes) -> grpc.StatusCode:
            return code

        self.answers[method] = answer

    def hangs(self, method: str) -> None:
        """Accept requests of `method` and never answer."""

        async def answer(_request: bytes) -> bytes:
            await asyncio.Event().wait()
            return b""

        self.answers[method] = answer

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen only at this address; on the same port after a stop."""
        await self.stop()
        self._server = grpc.aio.server(handlers=[_Handler(self)], options=[("grpc.so_reuseport", 0)])
        self._host = host
        self._port = self._server.add_insecure_port(f"{host}:{port or self._port}")
        await self._server.start()

    async def stop(self) -> None:
        """Cut every connection and listen no more."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def serve(self) -> None:
        """Wait until it is stopped."""
        await self._server.wait_for_termination()

    async def answer(self, method: str, request: bytes, context: Any) -> bytes:  # noqa: ANN401 - no types
        self.requests.append((method, request))
        self.peers[context.peer()] += 1
        metadata = dict(context.invocation_metadata())
        if self.token is not None and metadata.get("authorization") != f"Bearer {self.token}":
            words = f"InvalidAuthToken: {metadata.get('authorization')}"
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, words)
        known = self.answers.get(method)
        found = grpc.StatusCode.UNIMPLEMENTED if known is None else await known(request)
        if isinstance(found, bytes):
            return found
        await context.abort(found, self.words)
        raise AssertionError("an aborted call goes no further")


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    def __init__(self, gcs: StandInGcs) -> None:
        self._gcs = gcs

    def service(self, details: Any) -> Any:  # noqa: ANN401 - grpc has no types
        method = details.method.rpartition("/")[2]

        async def answer(request: bytes, context: Any) -> bytes:  # noqa: ANN401 - the same
            return await self._gcs.answer(method, request, context)

        return grpc.unary_unary_rpc_method_handler(answer)


def node(name: str, *, status: int = 3, idle_ms: int = 1000, **resources: float) -> ray_pb2.NodeState:
    """A Ray node, idle by default (1: running, 2: dead, 4: draining)."""
    return ray_pb2.NodeState(
        node_id=name.encode().rjust(28, b"\0"),
        instance_id=name,
        ray_node_type_name=name.rpartition("-")[0] or "headgroup",
        available_resources=resources if status == 3 else {},
        total_resources=resources,
        status=status,
        idle_duration_ms=idle_ms if status == 3 else 0,
        node_ip_address="10.0.0.1",
        labels={"ray.io/node-group": "workers", "ray.io/node-id": name},
    )


def state(
    *nodes: ray_pb2.NodeState,
    demands: Mapping[str, int] | None = None,
    session: str = "session_1",
    version: int = 1,
) -> ray_pb2.GetClusterResourceStateReply:
    """A reply. `demands`: how many tasks of one resource each wait, by its name."""
    return ray_pb2.GetClusterResourceStateReply(
        cluster_resource_state=ray_pb2.ClusterResourceState(
            cluster_resource_state_version=version,
            node_states=nodes,
            pending_resource_requests=[
                ray_pb2.ResourceRequestByCount(
                    request=ray_pb2.ResourceRequest(resources_bundle={name: 1.0}), count=count
                )
                for name, count in (demands or {}).items()
            ],
            cluster_session_name=session,
        )
    )


async def _idle_clusters(port: int) -> None:
    """Clusters of a head and two workers, whose idle clocks go on with each reply."""
    gcs = StandInGcs()
    ticks = 0

    async def answer(_request: bytes) -> bytes:
        nonlocal ticks
        ticks += 1
        gcs.requests.clear()
        workers = [node(f"workers-{n}", idle_ms=ticks, CPU=8.0, GPU=1.0, memory=1e10) for n in range(2)]
        reply = state(node("head", idle_ms=ticks, memory=1e10), *workers, version=ticks)
        return bytes(reply.SerializeToString())

    gcs.answers[STATE] = answer
    await gcs.start("0.0.0.0", port)  # noqa: S104 - so that every 127.x.y.z reaches it
    print(gcs.address, flush=True)  # noqa: T201 - says that it listens
    await gcs.serve()


if __name__ == "__main__":
    asyncio.run(_idle_clusters(int(sys.argv[1])))
