"""Which object: the keys that everything is found by."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

JsonObject: TypeAlias = Mapping[str, Any]


class Key(NamedTuple):
    """One object of a kind that the operator serves: the key of the work queue and of every index."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def noun(self) -> str:
        """What its users call such an object: the cluster, the job."""
        return self.kind.removeprefix("Ray").lower()


class Owner(NamedTuple):
    """The controlling owner of a child: its name may be used again, its uid never."""

    kind: str
    name: str
    uid: str


def controller_of(metadata: JsonObject) -> Owner | None:
    """The owner that controls an object, of whatever kind."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(*(str(reference.get(field, "")) for field in ("kind", "name", "uid")))
    return None


def unowned(namespace: str) -> Key:
    """Where objects of a namespace are found that nothing controls of what the operator serves."""
    return Key("", namespace, "")
