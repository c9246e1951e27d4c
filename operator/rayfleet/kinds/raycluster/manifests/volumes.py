"""Shared memory for the object store."""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.kinds.raycluster.manifests.pod_template import Json, items, mapping, objects, text

_NAME: Final = "shared-mem"
_PATH: Final = "/dev/shm"  # noqa: S108 - where Ray keeps its object store


def shared_memory(
    container: Mapping[str, Any], volumes: object, params: Mapping[str, str]
) -> tuple[Json, list[Any]]:
    """The container and the pod's volumes, with room for the object store in `/dev/shm`.

    A container runtime provides 64 MiB there, so little that Ray would put its store on disk. Nothing is
    added if the user mounts something there or puts the store elsewhere (`plasma-directory`).
    """
    theirs = list(items(volumes))
    mounts = items(container.get("volumeMounts"))
    if "plasma-directory" in params or any(
        text(mapping(mount).get("mountPath")).rstrip("/") == _PATH for mount in mounts
    ):
        return {**container}, theirs
    if not any(volume.get("name") == _NAME for volume in objects(volumes)):
        theirs.append({"name": _NAME, "emptyDir": _in_memory(container)})
    return {**container, "volumeMounts": [*mounts, {"name": _NAME, "mountPath": _PATH}]}, theirs


def _in_memory(container: Mapping[str, Any]) -> Json:
    """An emptyDir bounded by the container's memory, because its content counts towards that."""
    resources = mapping(container.get("resources"))
    limit = mapping(resources.get("limits")).get("memory")
    bound = limit if limit is not None else mapping(resources.get("requests")).get("memory")
    return {"medium": "Memory"} if bound is None else {"medium": "Memory", "sizeLimit": bound}
