"""What the CustomResourceDefinitions of all kinds share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from crds.kubernetes_types import Schema
from rayfleet.api.names import GROUP, VERSION

Crd: TypeAlias = dict[str, Any]
Column: TypeAlias = dict[str, Any]

# Objects may once have been stored in this version, so it stays listed; an unserved version needs no schema.
V1ALPHA1: Final = {
    "name": "v1alpha1",
    "served": False,
    "storage": False,
    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
}


@dataclass(frozen=True)
class Definition:
    """One kind in version v1."""

    kind: str
    plural: str
    description: str
    columns: Sequence[Column]
    spec: Schema
    status: Schema
    older: Sequence[dict[str, Any]] = ()
    """Versions that are listed and not served."""

    def crd(self) -> Crd:
        """The CRD as an object."""
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": self.plural,
                    "singular": self.kind.lower(),
                    "categories": ["all"],
                },
                "scope": "Namespaced",
                "versions": [self._v1(), *self.older],
            },
        }

    def _v1(self) -> dict[str, Any]:
        schema = {
            "description": self.description,
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "spec": self.spec,
                "status": self.status,
            },
            "x-kubernetes-preserve-unknown-fields": True,
        }
        return {
            "name": VERSION,
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "additionalPrinterColumns": list(self.columns),
            "schema": {"openAPIV3Schema": schema},
        }


def column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> Column:
    """A column of `kubectl get`; if `wide`, of `kubectl get -o wide` only."""
    shown: Column = {"name": name, "type": kind, "jsonPath": path}
    return shown | {"priority": 1} if wide else shown
