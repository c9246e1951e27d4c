"""An HTTP server with prepared answers, in place of an API server that is set up badly or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class ApiAnswers(ThreadingHTTPServer):
    """Answers each path as `answers` says, and any other with 404."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, object]] = {}
        """Status and body: text, or what is sent as JSON."""

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig that leads to this server."""
        made = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
            "users": [{"name": "u", "user": {}}],
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(made))
        return file


class _Handler(BaseHTTPRequestHandler):
    server: ApiAnswers

    def do_GET(self) -> None:
        status, body = self.server.answers.get(self.path, (404, {"message": "no such path"}))
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def api_answers() -> Iterator[ApiAnswers]:
    """The server, until the block ends."""
    with ApiAnswers() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
