"""The API server, with the user's own kubeconfig and rights: this can read whatever their `kubectl` can."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from rayfleet.cli.errors import CommandError
from rayfleet.errors import NO_ANSWER, ApiFailure
from rayfleet.kube.client.decoding import decoded

try:
    import urllib3
    import yaml
    from kubernetes import client, config
except ImportError as missing:
    raise CommandError(
        f"this command needs the Python package {missing.name}: pip install 'rayfleet[cli]'."
    ) from None

SECONDS = 15.0
"""How long a request may take."""
SHOWN = 200
"""Bytes shown of an answer that is not JSON."""


class ApiServer:
    """Reads and writes objects as plain JSON. A failure is a value; nothing is tried twice."""

    def __init__(self, configuration: client.Configuration, namespace: str) -> None:
        configuration.retries = False
        self.configuration = configuration
        self.namespace = namespace
        """The namespace of the context."""
        self._client: Any = client.ApiClient(configuration)

    def get(self, path: str, **query: str) -> Mapping[str, Any] | ApiFailure:
        """The object or list at `path`, or why it cannot be read."""
        return self._ask("GET", path, query)

    def create(self, path: str, body: Mapping[str, Any], **query: str) -> Mapping[str, Any] | ApiFailure:
        """The object as it was stored. Without an answer it may have been stored, too."""
        return self._ask("POST", path, query, body)

    def merge(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any] | ApiFailure:
        """The object after `body` was merged into it (RFC 7386)."""
        return self._ask("PATCH", path, {}, body, "application/merge-patch+json")

    def delete(self, path: str, uid: str) -> Mapping[str, Any] | ApiFailure:
        """Delete the object at `path`, if it is still the one with this uid."""
        return self._ask("DELETE", path, {}, {"preconditions": {"uid": uid}})

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Mapping[str, Any] | ApiFailure:
        url = f"{self.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type, **self.authorization()}
        try:
            answer = self._client.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=SECONDS
            )
            raw = answer.read() or b"{}"
        except (client.ApiException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return ApiFailure(NO_ANSWER, "", " ".join(str(error).split()))
        try:
            content = decoded(raw)
        except ValueError:  # The answer of a proxy, or of something that is not an API server.
            text = " ".join(raw[:SHOWN].decode(errors="replace").split())
            return ApiFailure(NO_ANSWER, "", f"HTTP {answer.status}: {text}")
        content = content if isinstance(content, dict) else {}
        if answer.status // 100 == 2:  # noqa: PLR2004 - 2xx
            return content
        message = str(content.get("message") or f"HTTP {answer.status}")
        return ApiFailure(answer.status, str(content.get("reason", "")), message)

    def authorization(self) -> dict[str, str]:
        """The header with the user's token, renewed if it has expired; empty with certificates."""
        token = self.configuration.get_api_key_with_prefix("BearerToken", "authorization")
        return {"authorization": token} if token else {}

    def close(self) -> None:
        self._client.close()


@contextmanager
def api_server(kubeconfig: str | None, context: str | None) -> Iterator[ApiServer]:
    """The API server of a context. Raises CommandError if the kubeconfig does not lead to one."""
    file = kubeconfig or os.environ.get("KUBECONFIG") or os.path.join("~", ".kube", "config")  # noqa: PTH118 - may be several paths, joined as in PATH
    file = os.pathsep.join(os.path.expanduser(part) for part in file.split(os.pathsep))  # noqa: PTH111 - as above
    try:
        contexts, current = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]  # as above
        configuration = client.Configuration()
        config.load_kube_config(file, context, configuration, persist_config=False)  # type: ignore[no-untyped-call]  # as above
    except (config.ConfigException, OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise CommandError(
            f"The kubeconfig {file} cannot be used ({' '.join(str(error).split())}): name the right one with"
            " --kubeconfig, or one of its contexts with --context."
        ) from None
    chosen = next((entry for entry in contexts if entry.get("name") == context), current)
    server = ApiServer(configuration, str((chosen.get("context") or {}).get("namespace") or "default"))
    try:
        yield server
    finally:
        server.close()
