"""Identities of objects: the keys of all indexes."""

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
        """What users call such an object: cluster, job."""
        return self.kind.removeprefix("Ray").lower()


class Owner(NamedTuple):
    """The controlling owner of a child. Its name may be reused, its uid never."""

    kind: str
    name: str
    uid: str


def controller_of(metadata: JsonObject) -> Owner | None:
    """The owner that controls an object, whatever its kind."""
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(*(str(reference.get(field, "")) for field in ("kind", "name", "uid")))
    return None


def unowned(namespace: str) -> Key:
    """The key under which a namespace's objects are stored that no kind we serve controls."""
    return Key("", namespace, "")
