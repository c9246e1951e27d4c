"""RayCluster and its children: the kinds that are watched for it."""

from typing import Any, Final

from rayfleet.api.names import Label
from rayfleet.engine.children import Child
from rayfleet.kinds.raycluster.served import RAYCLUSTERS
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.nodes import Node, node_from_object
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.resources import NODES, PODS, SERVICES
from rayfleet.kube.objects.services import Service, service_from_object

__all__ = ["CHILDREN", "NODE_CHILD", "POD_CHILD", "RAYCLUSTERS", "SERVICE_CHILD"]

_SELECTORS: Final = {"labelSelector": str(Label.CLUSTER)}
"""Only objects with the cluster label, whatever its value."""


def _pods_of(key: Key) -> dict[str, str]:
    return {"labelSelector": f"{Label.CLUSTER}={key.name}"}


POD_CHILD: Final = Child(PODS, Pod, pod_from_object, _SELECTORS, _pods_of, is_progress=Pod.is_progress_of)
SERVICE_CHILD: Final = Child(SERVICES, Service, service_from_object, _SELECTORS)
CHILDREN: Final[tuple[Child[Any], ...]] = (
    POD_CHILD,
    SERVICE_CHILD,
)
NODE_CHILD: Final = Child(NODES, Node, node_from_object, optional=True)
"""Followed only where the settings say so: what it takes is a right on the whole cluster."""
