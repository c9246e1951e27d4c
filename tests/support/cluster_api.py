"""An API client for tests that is not the operator's: the official one, on plain JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from support.waiting import eventually

API_VERSION = "ray.io/v1"


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class ClusterApi:
    """Objects of one API server as plain JSON."""

    def __init__(self, kubeconfig: Path, settings: Configuration | None = None) -> None:
        self.kubeconfig = kubeconfig
        if settings is None:
            self._client = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]  # the library has no types here
        else:
            self._client = ApiClient(settings)
        self._settings = self._client.configuration
        self._server = self._settings.host

    def another(self) -> "ClusterApi":
        """A client of its own for another thread.

        Nothing is read for it: the library goes through the environment for proxies, and fails when another
        thread takes a variable away meanwhile, as pytest does after each test.
        """
        return ClusterApi(self.kubeconfig, self._settings)

    def close(self) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        impersonate: str = "",
        **query: str,
    ) -> dict[str, Any]:
        """The answer of one request. Raises ApiError for anything but a success."""
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": content_type, "Accept": "application/json", **self._authorization()}
        if impersonate:
            headers["Impersonate-User"] = impersonate
        answer = self._client.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=60
        )
        raw = answer.read() or b"{}"
        if not 200 <= answer.status < 300 and not raw.startswith(
            b"{"
        ):  # Such as of a path that is not served.
            raise ApiError(answer.status, raw.decode(errors="replace").strip())
        data = json.loads(raw)
        if not 200 <= answer.status < 300:
            raise ApiError(answer.status, str(data.get("message", data)))
        return data if isinstance(data, dict) else {"value": data}

    def _authorization(self) -> dict[str, str]:
        """The header of a kubeconfig with a token; none with certificates."""
        token = self._settings.get_api_key_with_prefix("BearerToken", "authorization")
        return {"Authorization": token} if token else {}

    def create_namespace(self, name: str) -> None:
        """Create a namespace in which pods can be created."""
        self.call(
            "POST",
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        )
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        eventually(f"the default service account of {name}", lambda: self.exists(account), seconds=30)

    def exists(self, path: str) -> bool:
        try:
            self.call("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def namespace(self, name: str) -> "Namespace":
        return Namespace(self, name)


class Namespace:
    """The objects of one namespace that these tests are about."""

    def __init__(self, api: ClusterApi, name: str) -> None:
        self.api = api
        self.name = name
        self._core = f"/api/v1/namespaces/{name}"
        self._clusters = f"/apis/ray.io/v1/namespaces/{name}/rayclusters"

    def annotate(self, annotations: Mapping[str, str]) -> None:
        """Annotate the namespace itself."""
        body = {"metadata": {"annotations": dict(annotations)}}
        self.api.call("PATCH", self._core, body, content_type="application/merge-patch+json")

    def apply(self, cluster: Mapping[str, Any]) -> dict[str, Any]:
        """Create a RayCluster here."""
        metadata = {**cluster["metadata"], "namespace": self.name}
        return self.api.call("POST", self._clusters, {**cluster, "metadata": metadata})

    def patch(self, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Merge `spec` into a RayCluster's; a list replaces the list."""
        body = {"spec": spec}
        return self.api.call(
            "PATCH", f"{self._clusters}/{name}", body, content_type="application/merge-patch+json"
        )

    def cluster(self, name: str) -> dict[str, Any]:
        return self.api.call("GET", f"{self._clusters}/{name}")

    def status(self, name: str) -> dict[str, Any]:
        """The status of a cluster; empty before the first was written."""
        found: dict[str, Any] = self.cluster(name).get("status", {})
        return found

    def clusters(self) -> list[dict[str, Any]]:
        return _items(self.api.call("GET", self._clusters))

    def delete_cluster(self, name: str) -> None:
        self.api.call("DELETE", f"{self._clusters}/{name}")

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """A condition of a RayCluster; empty when it is absent."""
        conditions = self.cluster(name).get("status", {}).get("conditions", [])
        return next((dict(c) for c in conditions if c["type"] == kind), {})

    def pods(self, selector: str = "ray.io/cluster") -> list[dict[str, Any]]:
        return _items(self.api.call("GET", f"{self._core}/pods", labelSelector=selector))

    def living_pods(self, selector: str = "ray.io/cluster") -> list[dict[str, Any]]:
        return [pod for pod in self.pods(selector) if "deletionTimestamp" not in pod["metadata"]]

    def services(self) -> list[dict[str, Any]]:
        return _items(self.api.call("GET", f"{self._core}/services"))

    def delete_pod(self, name: str) -> None:
        self.api.call("DELETE", f"{self._core}/pods/{name}")

    def label_pod(self, name: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of a pod; none takes one off."""
        path = f"{self._core}/pods/{name}"
        body = {"metadata": {"labels": labels}}
        self.api.call("PATCH", path, body, content_type="application/merge-patch+json")

    def change_pod(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Merge `metadata` into a pod's."""
        path, body = f"{self._core}/pods/{name}", {"metadata": metadata}
        self.api.call("PATCH", path, body, content_type="application/merge-patch+json")

    def change_cluster(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Merge `metadata` into a RayCluster's."""
        path, body = f"{self._clusters}/{name}", {"metadata": metadata}
        self.api.call("PATCH", path, body, content_type="application/merge-patch+json")

    def set_pod_status(self, name: str, status: Mapping[str, Any]) -> None:
        """What a kubelet would report."""
        path = f"{self._core}/pods/{name}/status"
        self.api.call("PATCH", path, {"status": status}, content_type="application/merge-patch+json")

    def make_ready(self, selector: str = "ray.io/cluster") -> int:
        """Let every pod run and be ready, as a kubelet would; how many there are."""
        pods = self.living_pods(selector)
        for number, pod in enumerate(pods):
            if pod["status"].get("phase") != "Running":
                self.set_pod_status(pod["metadata"]["name"], running(f"10.1.0.{number % 250 + 1}"))
        return len(pods)

    def events(self, reason: str | None = None) -> list[dict[str, Any]]:
        """Events about RayClusters, of one reason or all."""
        items = _items(self.api.call("GET", f"/apis/events.k8s.io/v1/namespaces/{self.name}/events"))
        ours = [event for event in items if event["regarding"]["kind"] == "RayCluster"]
        return [event for event in ours if reason in {None, event["reason"]}]

    def quota(self, name: str) -> dict[str, Any]:
        return self.api.call("GET", f"{self._core}/resourcequotas/{name}")

    def set_quota(self, name: str, hard: Mapping[str, str]) -> None:
        path = f"{self._core}/resourcequotas/{name}"
        self.api.call("PATCH", path, {"spec": {"hard": hard}}, content_type="application/merge-patch+json")

    def set_cluster_status(self, name: str, status: Mapping[str, Any]) -> None:
        """What another writer may have left."""
        path = f"{self._clusters}/{name}/status"
        self.api.call("PATCH", path, {"status": status}, content_type="application/merge-patch+json")

    def create(self, collection: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create any core object, such as in `pods` or `resourcequotas`."""
        return self.api.call("POST", f"{self._core}/{collection}", body)


def running(pod_ip: str = "10.1.0.1") -> dict[str, Any]:
    """The status of a pod whose containers run and are ready."""
    return {
        "phase": "Running",
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [_container({"running": {}}, ready=True)],
    }


def unready(state: Mapping[str, Any]) -> dict[str, Any]:
    """The status of a pod that has a node, and whose container is in this state."""
    unready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    return {
        "phase": "Pending",
        "conditions": [unready, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [_container(state, ready=False)],
    }


def ended(exit_code: int = 137) -> dict[str, Any]:
    """The status of a pod with restartPolicy Never whose Ray container has ended."""
    state = {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    return {
        "phase": "Failed",
        "conditions": [{"type": "Ready", "status": "False", "reason": "PodFailed"}],
        "containerStatuses": [_container(state, ready=False)],
    }


def _container(state: Mapping[str, Any], *, ready: bool) -> dict[str, Any]:
    return {
        "name": "ray",
        "image": "rayproject/ray:2.60.0",
        "imageID": "",
        "ready": ready,
        "restartCount": 0,
        "state": state,
    }


def _items(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(answer["items"])
