"""The kubelet's side of a port-forward: a WebSocket on one end, a TCP connection on the other."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeAlias

from aiohttp import WSMsgType, web

PROTOCOL = "v4.channel.k8s.io"
Addresses: TypeAlias = Mapping[str, tuple[str, int]]
"""Where the port of each pod is, by the pod's name."""
_DATA, _ERROR = 0, 1


async def port_forward(request: web.Request, pod: str, addresses: Addresses) -> web.StreamResponse:
    """Connect the caller to the pod; the error channel says why that is not possible."""
    port = int(request.query.get("ports") or request.query["port"])
    stream = web.WebSocketResponse(protocols=(PROTOCOL,))
    await stream.prepare(request)
    for channel in (_DATA, _ERROR):
        await stream.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
    try:
        reader, writer = await asyncio.open_connection(*addresses[pod])
    except (OSError, KeyError) as error:
        words = f"error forwarding port {port} to pod {pod}: {error}"
        await stream.send_bytes(bytes([_ERROR]) + words.encode())
        await stream.close()
        return stream
    back = asyncio.create_task(_bring_back(reader, stream))
    try:
        async for message in stream:
            if message.type is WSMsgType.BINARY and message.data[0] == _DATA:
                writer.write(message.data[1:])
                await writer.drain()
    except OSError:
        pass
    finally:
        back.cancel()
        writer.close()
    return stream


async def _bring_back(reader: asyncio.StreamReader, stream: web.WebSocketResponse) -> None:
    with suppress(OSError):
        while piece := await reader.read(32 << 10):
            await stream.send_bytes(bytes([_DATA]) + piece)
    await stream.close()
