"""A node whose kubelet only forwards ports: what an API server needs to connect somebody to a pod."""

import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from support.cluster_api import ApiError, ClusterApi
from support.faults.loop_thread import LoopThread
from support.port_forwards import port_forward
from support.waiting import eventually


class StandInKubelet:
    """One node. `addresses` is where the port of each pod is; pods that it lacks have none."""

    def __init__(self, api: ClusterApi, name: str, host: str, loop: LoopThread, folder: Path) -> None:
        self.name = name
        self.addresses: dict[str, tuple[str, int]] = {}
        self._api = api
        self._loop = loop
        self._runner: web.AppRunner | None = None
        port = loop.run(self._start(host, _certificate(folder, host)))
        api.call("POST", "/api/v1/nodes", {"metadata": {"name": name}})
        api.call(
            "PATCH",
            f"/api/v1/nodes/{name}/status",
            {"status": _addresses(host, port)},
            content_type="application/merge-patch+json",
        )

    def close(self) -> None:
        self._api.call("DELETE", f"/api/v1/nodes/{self.name}")
        self._loop.run(self._stop())

    def take(self, pod: Mapping[str, Any]) -> None:
        """Run a pod here, as if a scheduler had said so."""
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        eventually(f"pod {metadata['name']} to be bound", lambda: self._bind(path, metadata["name"]))

    def _bind(self, path: str, name: str) -> bool:
        target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        try:
            self._api.call("POST", f"{path}/binding", body)
        except ApiError as error:
            if error.status != 409:  # The scheduler has written meanwhile, or it is bound.
                raise
            return bool(self._api.call("GET", path)["spec"].get("nodeName"))
        return True

    async def _start(self, host: str, certificate: Path) -> int:
        app = web.Application()
        app.router.add_route("*", "/portForward/{namespace}/{pod}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        await web.TCPSite(self._runner, host, 0, ssl_context=context).start()
        return int(self._runner.addresses[0][1])

    async def _stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        return await port_forward(request, request.match_info["pod"], self.addresses)


def _addresses(host: str, port: int) -> dict[str, Any]:
    return {
        "addresses": [{"type": "InternalIP", "address": host}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }


def _certificate(folder: Path, host: str) -> Path:
    """A certificate and its key in one file; an API server of a test bed trusts any."""
    file, key = folder / "kubelet.pem", folder / "kubelet.key"
    subject = ["-subj", "/CN=kubelet", "-addext", f"subjectAltName=IP:{host}", "-days", "2"]
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", *new, *subject, "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file
