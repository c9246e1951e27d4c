"""A pod's port as a socket on this machine, through the API server and with the user's own rights.

The socket is in a directory that only the user can enter, so nobody else on this machine can use it.
"""

import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import websocket
from kubernetes.stream import ws_client

from rayfleet.cli.api_server import ApiServer

SECONDS = 10.0
"""How long the API server may take to connect, and how long the stream may be silent by default."""
FORBIDDEN = 403
_DATA, _ERROR = 0, 1
_BINARY = websocket.ABNF.OPCODE_BINARY
_PIECE = 64 << 10


class ForwardError(Exception):
    """The port cannot be reached; the message says why."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status of the API server's answer; 0 without an answer."""


def refused(error: ForwardError, pod: str) -> str:
    """Why there is no port-forward to a head, with the right to ask for."""
    if error.status == FORBIDDEN:
        verbs = "ask for the verbs get and create on pods/portforward"
        return f"you may not port-forward to the head ({verbs}): {error}"
    return f"the port-forward to pod {pod} failed: {error}"


class Forward:
    """One connection to a pod's port."""

    def __init__(self, stream: Any, listener: socket.socket) -> None:  # noqa: ANN401 - the library has no types
        self._stream = stream
        self._listener = listener
        self._local: socket.socket | None = None
        self.error = ""
        """What the kubelet said about the port."""

    def serve(self) -> None:
        """Connect the first caller to the pod, until either end closes."""
        with suppress(OSError):
            self._local, _ = self._listener.accept()
            Thread(target=self._send, name="port-forward-send", daemon=True).start()
            self._receive(self._local)
            # Closing alone tells the caller nothing while the other thread still reads from the socket.
            self._local.shutdown(socket.SHUT_RDWR)
            self._local.close()

    def close(self) -> None:
        """End the connection."""
        for end in (self._listener, self._local, self._stream.sock):
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                with suppress(OSError):
                    end.close()

    def _send(self) -> None:
        with suppress(OSError, websocket.WebSocketException):
            while self._local is not None and (piece := self._local.recv(_PIECE)):
                self._stream.send(bytes([_DATA]) + piece, opcode=_BINARY)

    def _receive(self, local: socket.socket) -> None:
        named = set[int]()
        with suppress(OSError, websocket.WebSocketException):
            while True:
                operation, frame = self._stream.recv_data(control_frame=False)
                if operation != _BINARY or not frame:
                    return
                channel, data = frame[0], frame[1:]
                if channel not in named:  # A channel's first message is its port number.
                    named.add(channel)
                elif channel == _ERROR:
                    self.error += data.decode(errors="replace")
                    return
                else:
                    local.sendall(data)


@contextmanager
def forwarded(
    server: ApiServer, namespace: str, pod: str, port: int, *, silence: float = SECONDS
) -> Iterator[tuple[str, Forward]]:
    """The gRPC address of a socket connected to the port. Raises ForwardError.

    The connection is cut after `silence` seconds in which nothing has come through it.
    """
    url = f"{server.configuration.host}/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    stream = _connected(server, ws_client.get_websocket_url(url, [("ports", str(port))]))  # type: ignore[no-untyped-call]  # the library has no types here
    stream.settimeout(silence)
    with tempfile.TemporaryDirectory(prefix="rayfleet-") as folder:
        path = Path(folder) / "port"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        forward = Forward(stream, listener)
        thread = Thread(target=forward.serve, name="port-forward", daemon=True)
        try:
            listener.bind(str(path))
            listener.listen(1)
            thread.start()
            yield f"unix:{path}", forward
        finally:
            forward.close()
            thread.join(timeout=1)


def _connected(server: ApiServer, url: str) -> Any:  # noqa: ANN401 - as above
    websocket.setdefaulttimeout(SECONDS)
    try:
        return ws_client.create_websocket(server.configuration, url, server.authorization())  # type: ignore[no-untyped-call]  # as above
    except websocket.WebSocketBadStatusException as refusal:
        raise ForwardError(_words(refusal), refusal.status_code) from None
    except (websocket.WebSocketException, OSError, ValueError) as error:
        raise ForwardError(" ".join(str(error).split())) from None


def _words(refusal: Any) -> str:  # noqa: ANN401 - as above
    """The message of a Status object, or the HTTP status."""
    body = refusal.resp_body or b""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body)["message"])
    return f"HTTP {refusal.status_code}"
