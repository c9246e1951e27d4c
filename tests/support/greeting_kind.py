"""A kind for tests: a Greeting, whose text a ConfigMap carries. This is all that the engine asks for."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from rayfleet.api.names import Annotation
from rayfleet.engine.actions import Create, Delete
from rayfleet.engine.children import Child, Stores
from rayfleet.engine.kind import Kind, Look
from rayfleet.engine.outcome import Outcome
from rayfleet.kube.objects.keys import JsonObject, Owner, controller_of
from rayfleet.kube.objects.resources import Resource
from rayfleet.kube.objects.roots import Root

GREETINGS: Final = Resource("example.com", "v1", "Greeting", "greetings")
CONFIG_MAPS: Final = Resource("", "v1", "ConfigMap", "configmaps")
LABEL: Final = "example.com/greeting"
ANYTHING: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD: Final = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "greetings.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Greeting", "plural": "greetings"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": ANYTHING},
            }
        ],
    },
}


class Card(Struct, frozen=True):
    """A ConfigMap, trimmed."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    owner: Owner | None
    text: str


def card_from_object(obj: JsonObject) -> Card:
    found, text = obj["metadata"], str((obj.get("data") or {}).get("text"))
    version, owner = int(found["resourceVersion"]), controller_of(found)
    return Card(found["namespace"], found["name"], found["uid"], version, owner, text)


CARD: Final = Child(
    CONFIG_MAPS,
    Card,
    card_from_object,
    {"labelSelector": LABEL},
    lambda key: {"labelSelector": f"{LABEL}={key.name}"},
)


class Step(Struct, frozen=True):
    """The one action of a pass."""

    verb: Create | Delete
    reason: str


class Todo(Struct, frozen=True):
    """The plan."""

    stages: tuple[tuple[Step, ...], ...] = ()
    first: tuple[Step, ...] = ()
    last: tuple[Step, ...] = ()
    requeue_after: float | None = None

    @property
    def actions(self) -> tuple[Step, ...]:
        return (*self.first, *(step for stage in self.stages for step in stage))


Seen = tuple[Root, tuple[Card, ...]]


def plan(seen: Seen) -> Todo:
    greeting, cards = seen
    name, text = greeting.key.name, str(greeting.spec.get("text"))
    if any(card.text != text for card in cards):
        return Todo(first=tuple(Step(Delete(CONFIG_MAPS, c.name, c.uid), "another text") for c in cards))
    if cards or greeting.deleting:
        return Todo()
    owner = {"apiVersion": GREETINGS.api_version, "kind": "Greeting", "name": name, "uid": greeting.uid}
    metadata = {"name": name, "labels": {LABEL: name}, "annotations": {Annotation.TEMPLATE_HASH: text}}
    owned = {**metadata, "ownerReferences": [{**owner, "controller": True}]}
    create = Create(CONFIG_MAPS, name, {"metadata": owned, "data": {"text": text}}, text)
    return Todo(stages=((Step(create, "none is there"),),))


def greetings(stores: Stores) -> Kind[None, Seen, Todo]:
    def observe(greeting: Root, _: None, __: Look) -> Seen:
        cards = stores.of(CARD).owned_by(greeting.key)
        return greeting, tuple(card for card in cards if card.owner and card.owner.uid == greeting.uid)

    def status(seen: Seen, _: Todo, __: Sequence[Outcome]) -> dict[str, Any]:
        return {"said": next((card.text for card in seen[1]), "")}

    return Kind(GREETINGS, (CARD,), lambda _: None, observe, plan, status)
