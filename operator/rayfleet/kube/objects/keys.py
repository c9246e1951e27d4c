"""Which object: the keys that everything is found by."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

JsonObject: TypeAlias = Mapping[str, Any]


class Key(NamedTuple):
    """Which cluster: the key of the work queue and of every index."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Owner(NamedTuple):
    """The controlling owner of a child: its name may be used again, its uid never."""

    name: str
    uid: str


def controller_of(metadata: JsonObject) -> Owner | None:
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller") and reference.get("kind") == "RayCluster":
            return Owner(str(reference.get("name", "")), str(reference.get("uid", "")))
    return None
