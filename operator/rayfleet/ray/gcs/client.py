"""A client of a Ray head's GCS: typed calls, each with a deadline. Expected failures are values."""

from collections.abc import Callable, Collection
from functools import partial
from time import monotonic, thread_time
from typing import TypeVar

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.fair_threads import FairThreads, GaveWay
from rayfleet.kube.client.calls import GcsCalls
from rayfleet.ray.gcs import requests as gcs_requests
from rayfleet.ray.gcs.books import actors_from, jobs_from, nodes_from, unregistered_from, version_from
from rayfleet.ray.gcs.bounds import MOST_LISTED, TooMuch, Unbelievable
from rayfleet.ray.gcs.channel import GcsChannel
from rayfleet.ray.gcs.replies import NODE_ID_BYTES, drain_from, state_from
from rayfleet.ray.inventory import ActorInfo, JobInfo, NodeInfo
from rayfleet.ray.state import AutoscalingReport, Drain, DrainReason, RayState

CALL_SECONDS = 5.0
"""How long a call may take by default."""
THREAD_BYTES = 64 << 10
"""Larger answers, 2 ms of work and 20 ms at worst, are read in a thread so that the loop does not wait."""

_AUTOSCALER = "/ray.rpc.autoscaler.AutoscalerStateService"
_NODES = "/ray.rpc.NodeInfoGcsService"

T = TypeVar("T")


class GcsClient:
    """Talks to the GCS at `address` (`host:port`), with `token` if the cluster's auth mode is token.

    It connects on the first call; `close` ends the connection, and a later call opens another. Each call
    returns its answer or a `GcsFailure` within its seconds. Large answers are read by `threads`, in the turns
    of `namespace`.
    """

    def __init__(
        self,
        address: str,
        token: str | None = None,
        calls: GcsCalls | None = None,
        threads: FairThreads | None = None,
        namespace: str = "",
    ) -> None:
        self._channel = GcsChannel(address, token)
        self._calls = calls if calls is not None else GcsCalls()
        self._threads = threads if threads is not None else FairThreads()
        self._namespace = namespace
        self.reading_seconds = 0.0
        """CPU time of reading the last answer."""

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._channel.busy

    async def resource_state(self, seconds: float = CALL_SECONDS) -> RayState | GcsFailure:
        """Read Ray's nodes and queue."""
        return await self._call(f"{_AUTOSCALER}/GetClusterResourceState", b"", state_from, seconds)

    async def report_autoscaling(
        self, report: AutoscalingReport, seconds: float = CALL_SECONDS
    ) -> GcsFailure | None:
        """Report to Ray what is pending and what failed, for `ray status`."""
        request = gcs_requests.report(report)
        return await self._call(f"{_AUTOSCALER}/ReportAutoscalingState", request, _nothing, seconds)

    async def drain_node(
        self,
        node_id: bytes,
        reason: DrainReason,
        message: str,
        deadline: float | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Drain | GcsFailure:
        """Ask Ray to drain a node. Ray passes `deadline` (Unix seconds) to applications, but ends nothing."""
        if (wrong := _wrong_id(node_id)) is not None:
            return wrong
        request = gcs_requests.drain(node_id, reason, message, deadline)
        return await self._call(f"{_AUTOSCALER}/DrainNode", request, self._drain, seconds)

    async def unregister_node(self, node_id: bytes, message: str) -> GcsFailure | None:
        """Report to Ray that a node is gone. Only if that is certain: Ray marks it dead at once."""
        if (wrong := _wrong_id(node_id)) is not None:
            return wrong
        request = gcs_requests.unregister(node_id, message)
        return await self._call(f"{_NODES}/UnregisterNode", request, unregistered_from, CALL_SECONDS)

    async def ray_version(self) -> str | GcsFailure:
        """Read the version of Ray on the head."""
        return await self._call(f"{_NODES}/CheckAlive", b"", version_from, CALL_SECONDS)

    async def nodes(
        self, ids: Collection[bytes] = (), seconds: float = CALL_SECONDS
    ) -> tuple[NodeInfo, ...] | GcsFailure:
        """Read the nodes that Ray has or has had; only those in `ids`, if any are given."""
        for node_id in ids:
            if (wrong := _wrong_id(node_id)) is not None:
                return wrong
        request = gcs_requests.nodes(MOST_LISTED, ids)
        return await self._call(f"{_NODES}/GetAllNodeInfo", request, nodes_from, seconds)

    async def actors(self, most: int = MOST_LISTED) -> tuple[ActorInfo, ...] | GcsFailure:
        """Read the actors of running jobs, and detached actors."""
        path = "/ray.rpc.ActorInfoGcsService/GetAllActorInfo"
        return await self._call(path, gcs_requests.actors(most), actors_from, CALL_SECONDS)

    async def jobs(self, most: int = MOST_LISTED) -> tuple[JobInfo, ...] | GcsFailure:
        """Read the jobs, including ended ones."""
        path = "/ray.rpc.JobInfoGcsService/GetAllJobInfo"
        return await self._call(path, gcs_requests.jobs(most), jobs_from, CALL_SECONDS)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def _call(
        self, path: str, request: bytes, read: Callable[[bytes], T], seconds: float
    ) -> T | GcsFailure:
        method, began = path.rpartition("/")[2], monotonic()
        raw = await self._channel.call(path, request, seconds)
        self._calls.took(method, monotonic() - began)
        answer = raw if isinstance(raw, GcsFailure) else await self._read(raw, read)
        outcome = answer.trouble.value if isinstance(answer, GcsFailure) else "ok"
        self._calls.count(method, outcome)
        return answer

    async def _read(self, raw: bytes, read: Callable[[bytes], T]) -> T | GcsFailure:
        timed = partial(self._timed, raw, read)
        try:
            if len(raw) <= THREAD_BYTES:
                return timed()
            return await self._threads.run(self._namespace, timed, len(raw))
        except (TooMuch, GaveWay) as error:
            return GcsFailure(GcsTrouble.TOO_LARGE, self._channel.clean(f"its answer is too large: {error}"))
        except Unbelievable as error:
            return GcsFailure(GcsTrouble.INVALID, self._channel.clean(str(error)))

    def _timed(self, raw: bytes, read: Callable[[bytes], T]) -> T:
        began = thread_time()
        try:
            return read(raw)
        finally:
            self.reading_seconds = thread_time() - began

    def _drain(self, raw: bytes) -> Drain:
        drain = drain_from(raw)
        return Drain(drain.accepted, self._channel.clean(drain.refusal))


def _nothing(_raw: bytes) -> None:
    """The reply is empty."""


def _wrong_id(node_id: bytes) -> GcsFailure | None:
    """The failure for an id of the wrong length, which would crash a GCS and so is never sent."""
    if len(node_id) == NODE_ID_BYTES:
        return None
    message = f"the node id has {len(node_id)} bytes instead of {NODE_ID_BYTES}; it was not sent"
    return GcsFailure(GcsTrouble.INVALID, message)
