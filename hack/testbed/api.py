"""The few requests that the test bed itself makes to the API server."""

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from testbed.errors import TestbedError
from testbed.pki import Pki

_CREATED = 201
_OK = 200
_CONFLICT = 409


class Api:
    """The bed's API server, as its administrator."""

    def __init__(self, server: str, pki: Pki) -> None:
        self._address = urlsplit(server).netloc
        self._tls = ssl.create_default_context(cafile=str(pki.ca))
        self._tls.load_cert_chain(pki.certificate("admin"), pki.key("admin"))

    def get(self, path: str) -> tuple[int, bytes]:
        """The status and body of a GET; status 0 while nothing answers."""
        try:
            return self._request("GET", path)
        except (OSError, http.client.HTTPException):
            return 0, b""

    def ready(self) -> bool:
        return self.get("/readyz")[0] == _OK

    def exists(self, path: str) -> bool:
        return self.get(path)[0] == _OK

    def items(self, path: str) -> list[dict[str, Any]]:
        """The objects of a list; empty while nothing answers."""
        status, body = self.get(path)
        return list(json.loads(body)["items"]) if status == _OK else []

    def create(self, path: str, body: dict[str, Any]) -> None:
        """Create an object; an existing one stays as it is."""
        status, answer = self._request("POST", path, json.dumps(body))
        if status not in (_CREATED, _OK, _CONFLICT):
            raise TestbedError(
                f"the API server refused {body['kind']} {body['metadata']['name']}: {answer.decode()[:300]}"
            )

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(self._address, timeout=5, context=self._tls)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
