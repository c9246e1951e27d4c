"""Kubernetes' own types, read from a live API server."""

import json
from pathlib import Path
from typing import Any, Final

from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config

from crds.kubernetes_types import KubernetesTypes, Schema, reduced

_DOCUMENTS: Final = ("/openapi/v3/api/v1", "/openapi/v3/apis/networking.k8s.io/v1")


def live_types(kubeconfig: Path) -> KubernetesTypes:
    """The types as the API server behind `kubeconfig` describes them."""
    client: ApiClient = new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]  # as shipped
    described: dict[str, Schema] = {}
    for document in _DOCUMENTS:
        described |= _get(client, document)["components"]["schemas"]
    return KubernetesTypes(_get(client, "/version")["gitVersion"], reduced(described))


def _get(client: ApiClient, path: str) -> Any:  # noqa: ANN401 - JSON
    response: Any = client.call_api(*client.param_serialize("GET", path, auth_settings=["BearerToken"]))
    return json.loads(response.read())
