"""What comes through a WebSocket (RFC 6455), read from bytes: no I/O here.

A library would follow the head's redirects, keep its cookies, and take a message of any size into memory. A
head runs its users' code, so nothing of that may happen on the machine of somebody who reads its log.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

LARGEST_HEAD: Final = 16 << 10
"""Bytes of the answer to the handshake."""
LARGEST_FRAME: Final = 1 << 20
"""Bytes: Ray sends at most ten lines, or 20,000 characters and a line, at once."""
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_END_OF_HEAD: Final = b"\r\n\r\n"
_FINAL, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127


class FrameError(Exception):
    """The other side does not keep to the protocol, or to our bounds."""


class Opcode(IntEnum):
    """What a frame is."""

    MORE = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Frame(NamedTuple):
    """One frame."""

    opcode: int
    payload: bytes


class Frames:
    """Frames from a server, out of the pieces in which their bytes come."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """The frames that are complete with this piece. Raises FrameError."""
        self._bytes += piece
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> Frame | None:
        held = self._bytes
        if len(held) < 2:  # noqa: PLR2004 - the shortest frame
            return None
        first, second = held[0], held[1]
        if first & _RESERVED or second & _MASKED:
            raise FrameError("a frame has an extension that nobody agreed on, or is masked")
        short = second & 0x7F
        width = {_TWO_BYTES: 2, _EIGHT_BYTES: 8}.get(short, 0)
        start = 2 + width
        if len(held) < start:
            return None
        size = int.from_bytes(held[2:start], "big") if width else short
        if size > LARGEST_FRAME:
            raise FrameError(f"a frame has {size} bytes, and at most {LARGEST_FRAME} are read")
        if len(held) < start + size:
            return None
        payload = bytes(held[start : start + size])
        del held[: start + size]
        return Frame(first & 0x0F, payload)


def frame_bytes(opcode: Opcode, payload: bytes = b"") -> bytes:
    """A control frame as a client sends it.

    It must be masked; that is against proxies that keep what they see, and there is none here.
    """
    return bytes([_FINAL | opcode, _MASKED | len(payload), 0, 0, 0, 0]) + payload


def handshake(path: str, key: str, headers: Mapping[str, str]) -> bytes:
    """The request that asks for a WebSocket. `key` is the text that proves the answer is to this request."""
    lines = {
        "Host": "ray",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


class Agreed(NamedTuple):
    """The answer to a handshake."""

    status: int
    rest: bytes
    """What came after it: frames, or the beginning of a body."""


def agreed(held: bytes, key: str) -> Agreed | None:
    """The answer at the beginning of these bytes; None while it is not complete. Raises FrameError."""
    end = held.find(_END_OF_HEAD)
    if end < 0:
        if len(held) > LARGEST_HEAD:
            raise FrameError(f"the answer has more than {LARGEST_HEAD} bytes of headers")
        return None
    status_line, *lines = held[:end].decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise FrameError("the answer is not HTTP")
    status = int(rest[:3])
    if status == 101:  # noqa: PLR2004 - switching protocols
        named = (line.partition(":") for line in lines)
        proofs = [value.strip() for name, _, value in named if name.lower() == "sec-websocket-accept"]
        if proofs != [_proof(key)]:
            raise FrameError("the answer is to another request")
    return Agreed(status, held[end + len(_END_OF_HEAD) :])


def _proof(key: str) -> str:
    return base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()  # noqa: S324 - as the RFC asks
