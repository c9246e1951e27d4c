"""A web server with a few pages, and probes of a container run against it as the kubelet would."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def pages(answers: dict[str, tuple[int, str]]) -> Iterator[str]:
    """A web server with these pages; the port it listens on."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = answers.get(self.path, (404, "not found"))
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join(timeout=5)


def asked(container: dict[str, Any]) -> int:
    """Run the readiness probe's command; its exit status."""
    command = container["readinessProbe"]["exec"]["command"]
    return subprocess.run(command, env={}, timeout=5, check=False, capture_output=True).returncode
