"""A driver's log as Ray streams it: a WebSocket that sends it from its start, and closes at the job's end.

Its end says nothing about the job, as any cut looks the same.
"""

import base64
import codecs
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rayfleet.cli.jobs.dashboard import QUESTION_SECONDS, HeadDashboard, job_path
from rayfleet.cli.jobs.frames import Agreed, FrameError, Frames, Opcode, agreed, frame_bytes, handshake
from rayfleet.ray.dashboard.answers import Reply, failure_from

SILENCE_SECONDS: Final = 90.0
"""After this long without a byte, not even the answer to a ping, the connection counts as cut."""
PING_SECONDS: Final = 30.0
"""How often a quiet connection is used, so that nothing on the way takes it for dead."""
_LEAST_SECONDS: Final = 0.01
"""Without any, a socket does not wait, and an empty one would count as cut."""
_SWITCHING: Final = 101
_PIECE: Final = 64 << 10


class StreamError(Exception):
    """The log cannot be streamed; the message says why."""


class LogStream:
    """One connection."""

    def __init__(self, connection: socket.socket, first: bytes) -> None:
        self._connection = connection
        self._frames = Frames()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pinged = time.monotonic()
        self.ended = False
        """Whether nothing more comes."""
        self.closed = False
        """Whether the head has said so, instead of a cut."""
        self._text = self._taken(first)

    def read(self, seconds: float) -> str:
        """What comes within so many seconds: as soon as there is something, else nothing."""
        if self._text or self.ended:
            text, self._text = self._text, ""
            return text
        try:
            self._ping()
            self._connection.settimeout(max(seconds, _LEAST_SECONDS))
            piece = self._connection.recv(_PIECE)
            self.ended |= not piece
            return self._taken(piece)
        except TimeoutError:
            return ""
        except (OSError, FrameError):
            self.ended = True
            return ""

    def _ping(self) -> None:
        now = time.monotonic()
        if now - self._pinged >= PING_SECONDS:
            self._pinged = now
            self._connection.sendall(frame_bytes(Opcode.PING))

    def _taken(self, piece: bytes) -> str:
        text = ""
        for opcode, payload in self._frames.feed(piece):
            match opcode:
                case Opcode.TEXT | Opcode.MORE:
                    text += self._decoder.decode(payload)
                case Opcode.PING:
                    self._connection.sendall(frame_bytes(Opcode.PONG, payload[:125]))
                case Opcode.CLOSE:
                    self.ended = self.closed = True
        return text


@contextmanager
def log_stream(dashboard: HeadDashboard, job_id: str) -> Iterator[LogStream]:
    """The log of a job, from its start. Raises StreamError, ForwardError and OSError before it begins."""
    if dashboard.trouble:
        raise StreamError(dashboard.trouble)
    with dashboard.connected(SILENCE_SECONDS) as (connection, forward):
        key = base64.b64encode(os.urandom(16)).decode()
        path = f"{job_path(job_id)}/logs/tail"
        try:
            connection.sendall(handshake(path, key, dashboard.headers()))
            status, rest = _agreed(connection, key)
            if status != _SWITCHING:
                raise StreamError(failure_from(Reply(status, rest)).message)
            stream = LogStream(connection, rest)
        except (FrameError, OSError) as error:
            said = forward.error or str(error) or type(error).__name__
            raise StreamError(" ".join(said.split())) from None
        yield stream


def _agreed(connection: socket.socket, key: str) -> Agreed:
    until, held = time.monotonic() + QUESTION_SECONDS, b""
    while (answer := agreed(held, key)) is None:
        if time.monotonic() > until:
            raise StreamError(f"no complete answer in {QUESTION_SECONDS:.0f} s")
        piece = connection.recv(_PIECE)
        if not piece:
            raise ConnectionError("the connection was cut")
        held += piece
    return answer
