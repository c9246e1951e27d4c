"""The CustomResourceDefinition of RayCluster."""

from typing import Any, Final, TypeAlias

from crds.kubernetes_types import KubernetesTypes, Schema
from crds.model_schema import model_schema
from crds.status_schema import status_schema
from rayfleet.api.names import GROUP, KIND, PLURAL, VERSION
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import RayClusterStatus

Crd: TypeAlias = dict[str, Any]


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | {"priority": 1} if wide else column


COLUMNS: Final = (
    _column("desired workers", ".status.desiredWorkerReplicas", "integer"),
    _column("available workers", ".status.availableWorkerReplicas", "integer"),
    _column("cpus", ".status.desiredCPU"),
    _column("memory", ".status.desiredMemory"),
    _column("gpus", ".status.desiredGPU"),
    _column("tpus", ".status.desiredTPU", wide=True),
    _column("status", ".status.state"),
    # `status` stays ready after the first full start, as tools expect; this column shows the current state.
    _column("ready", '.status.conditions[?(@.type=="Ready")].status'),
    _column("age", ".metadata.creationTimestamp", "date"),
    _column("head pod IP", ".status.head.podIP", wide=True),
    _column("head service IP", ".status.head.serviceIP", wide=True),
)


def raycluster_crd(kubernetes: KubernetesTypes) -> Crd:
    """The CRD as an object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_v1(model_schema(RayClusterSpec, kubernetes)), _V1ALPHA1],
        },
    }


def _v1(spec: Schema) -> dict[str, Any]:
    schema = {
        "description": "A Ray cluster: a head and groups of workers.",
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status_schema(RayClusterStatus),
        },
        "x-kubernetes-preserve-unknown-fields": True,
    }
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(COLUMNS),
        "schema": {"openAPIV3Schema": schema},
    }


# Objects may once have been stored in this version, so it stays listed; an unserved version needs no schema.
_V1ALPHA1: Final = {
    "name": "v1alpha1",
    "served": False,
    "storage": False,
    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
}
