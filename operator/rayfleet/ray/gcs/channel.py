"""One connection to a Ray head: bytes out, bytes or a failure in. Raises nothing but a cancellation."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

import grpc
import grpc.aio

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.ray.gcs.bounds import LARGEST_ANSWER

LARGEST_REQUEST = 8 << 20
SHOWN = 300
"""Characters shown of a head's message about a failure."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST_ANSWER),
    ("grpc.max_send_message_length", LARGEST_REQUEST),
    # A head never compresses; do not unpack something small that may become huge.
    ("grpc.per_message_decompression", 0),
    # The poller retries, on its own clock.
    ("grpc.enable_retries", 0),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A new channel must be a new connection, whatever became of the last one.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.service_config_disable_resolution", 1),
    # Saves memory on each of a thousand channels.
    ("grpc.enable_channelz", 0),
    ("grpc.max_channel_trace_event_memory_per_node", 0),
    ("grpc.http2.bdp_probe", 0),
)

_TROUBLE: Mapping[grpc.StatusCode, GcsTrouble] = {
    grpc.StatusCode.UNAVAILABLE: GcsTrouble.UNREACHABLE,
    grpc.StatusCode.CANCELLED: GcsTrouble.UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: GcsTrouble.DEADLINE,
    grpc.StatusCode.UNAUTHENTICATED: GcsTrouble.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: GcsTrouble.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED: GcsTrouble.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: GcsTrouble.TOO_LARGE,
}
_SENDABLE = re.compile(r"[\x21-\x7e]+")


class GcsChannel:
    """A channel to `host:port`, connected on the first call."""

    def __init__(self, address: str, token: str | None) -> None:
        self._address = address
        self._token = token
        self._channel: Any = None
        self._under_way = 0

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self._under_way > 0

    async def call(self, path: str, request: bytes, seconds: float) -> bytes | GcsFailure:
        """The bytes of the answer to a call of `/service/Method`, within `seconds`."""
        self._under_way += 1
        try:
            return await self._answer(path, request, seconds)
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Close the connection; the next call opens another."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _answer(self, path: str, request: bytes, seconds: float) -> bytes | GcsFailure:
        metadata = None
        if self._token is not None:
            if not _SENDABLE.fullmatch(self._token):
                return GcsFailure(
                    GcsTrouble.UNAUTHENTICATED,
                    "the token is empty or has characters other than printable ASCII; put a valid one into "
                    "its Secret",
                )
            metadata = (("authorization", f"Bearer {self._token}"),)
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=OPTIONS)
        channel = self._channel
        try:
            return await channel.unary_unary(path)(request, timeout=seconds, metadata=metadata)  # type: ignore[no-any-return]  # grpc has no types
        except grpc.aio.AioRpcError as error:
            return self._failure(error.code(), error.details() or "", seconds)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._channel is channel or (task is not None and task.cancelling()):
                raise
            # The call was cancelled, not we: the channel was closed.
            return self._failure(grpc.StatusCode.CANCELLED, "the connection was closed", seconds)
        except (grpc.aio.UsageError, grpc.aio.InternalError, ValueError) as error:
            # The channel was closed meanwhile, or the address is invalid.
            return self._failure(grpc.StatusCode.UNAVAILABLE, str(error), seconds)

    def _failure(self, code: grpc.StatusCode, message: str, seconds: float) -> GcsFailure:
        trouble = _TROUBLE.get(code, GcsTrouble.INVALID)
        if trouble is GcsTrouble.DEADLINE:
            return GcsFailure(trouble, f"no answer from {self._address} within {seconds:g} s")
        return GcsFailure(trouble, f"{self._address}: {self.clean(message) or code.name}")

    def clean(self, message: str) -> str:
        """A head's message as it may be shown: one short line, without our token."""
        shown = " ".join("".join(c if c.isprintable() else " " for c in message).split())
        return (shown.replace(self._token, "***") if self._token else shown)[:SHOWN]
