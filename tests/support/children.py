"""Small children of clusters for cache tests: a pod that matters only by its name, uid, owner and version."""

from typing import Any

from rayfleet.kube.objects.keys import Key, Owner
from rayfleet.kube.objects.pod_readiness import Readiness
from rayfleet.kube.objects.pods import Pod

KEY = Key("RayCluster", "ml", "demo")
OTHER = Key("RayCluster", "ml", "other")


def pod(
    name: str = "a",
    version: int = 10,
    *,
    uid: str | None = None,
    owner: Key | None = KEY,
    namespace: str = "ml",
    **fields: Any,
) -> Pod:
    """A worker pod; its uid follows from its name unless given."""
    defaults: dict[str, Any] = {
        "node_type": "worker",
        "group": "gpu",
        "created": 1000.0,
        "deleting": False,
        "phase": "Pending",
        "readiness": Readiness(),
        "node_name": "",
        "pod_ip": "",
        "head_epoch": None,
        "index": 1,
        "template_hash": "",
    }
    return Pod(
        namespace=namespace,
        name=name,
        uid=uid or f"uid-{name}",
        resource_version=version,
        owner=Owner("RayCluster", owner.name, f"uid-{owner.name}") if owner else None,
        **(defaults | fields),
    )
