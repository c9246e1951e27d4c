"""Another operator of RayClusters, as KubeRay is seen from outside: a pod, its account, and a Lease."""

import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from support.cluster_api import Namespace

DURATION = 3
POD = "kuberay-operator-7d9f"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_RULES = [{"apiGroups": ["ray.io"], "resources": ["rayclusters"], "verbs": ["get", "update"]}]


class OtherOperator:
    """Its pod is in a namespace; it may do nothing, and holds no Lease, until a test grants more."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._api = namespace.api
        self._ended = threading.Event()
        self._renewing: threading.Thread | None = None
        self._granted: list[str] = []
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace.name}/leases"
        self._account = "kuberay-operator"

    def __enter__(self) -> Self:
        self._namespace.create("serviceaccounts", {"metadata": {"name": self._account}})
        container = {"name": "operator", "image": "x"}
        spec = {"serviceAccountName": self._account, "schedulerName": "nobody", "containers": [container]}
        self._namespace.create("pods", {"metadata": {"name": POD}, "spec": spec})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        for path in self._granted:
            self._api.call("DELETE", path)

    def may_update_everywhere(self) -> None:
        """Grant its account RayClusters in all namespaces."""
        self._grant(_RBAC, "Cluster", f"{self._namespace.name}-kuberay")

    def may_update(self, namespace: str) -> None:
        """Grant its account RayClusters in one namespace."""
        self._grant(f"{_RBAC}/namespaces/{namespace}", "", f"{self._namespace.name}-kuberay")

    def hold(self, *, as_holder: str = f"{POD}_0ac3") -> None:
        """Take the Lease, and renew it every half second."""
        spec = {"holderIdentity": as_holder, "leaseDurationSeconds": DURATION}
        self._api.call("POST", self._leases, {"metadata": {"name": "ray-operator-leader"}, "spec": spec})
        self._renewing = threading.Thread(target=self._renew)
        self._renewing.start()

    def release(self) -> None:
        """Give the Lease up, as one that ends in good order does."""
        self._stop()
        self._patch({"holderIdentity": ""})

    def _stop(self) -> None:
        self._ended.set()
        if self._renewing is not None:
            self._renewing.join()

    def _renew(self) -> None:
        while not self._ended.wait(0.5):
            self._patch({"renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")})

    def _patch(self, spec: dict[str, Any]) -> None:
        path = f"{self._leases}/ray-operator-leader"
        self._api.call("PATCH", path, {"spec": spec}, content_type="application/merge-patch+json")

    def _grant(self, root: str, kind: str, name: str) -> None:
        roles, bindings = f"{root}/{kind.lower()}roles", f"{root}/{kind.lower()}rolebindings"
        self._api.call("POST", roles, {"metadata": {"name": name}, "rules": _RULES})
        subject = {"kind": "ServiceAccount", "name": self._account, "namespace": self._namespace.name}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{kind}Role", "name": name}
        self._api.call("POST", bindings, {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
        self._granted += [f"{bindings}/{name}", f"{roles}/{name}"]
