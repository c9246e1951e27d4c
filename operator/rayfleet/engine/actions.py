"""What a pass may do to the world, by verb. An action says everything; carrying it out leaves no choice.

A kind has actions in its own words, such as "create a pod of this group": each is carried out as a verb.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from rayfleet.kube.objects.resources import Resource


@dataclass(frozen=True, slots=True)
class Create:
    """Create an object. One of its name that is there counts as made if it is ours, and the same."""

    resource: Resource
    name: str
    body: Mapping[str, Any]
    template_hash: str = ""
    """What one that is there must have been made from, by its annotation; empty where any will do."""
    batch: str = ""
    """After the first create of a batch that fails the others are not sent; empty for one by itself."""
    remedy: str = ""
    """What its user can do where the name is taken by an object that is not ours."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete one object, by uid."""

    resource: Resource
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge-patch one object, by uid."""

    resource: Resource
    name: str
    uid: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PatchRoot:
    """JSON-patch what the pass is about, only if nobody has written to it since."""

    operations: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class PatchStatus:
    """Merge-patch the status of what the pass is about, only if nobody has written to it since."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TakeOffFinalizer:
    """Take a finalizer off what the pass is about, as it is at that moment."""

    finalizer: str
    remedy: str
    """What an administrator can do where that is forbidden."""


@dataclass(frozen=True, slots=True)
class Handled:
    """Carried out by a handler of the kind."""

    takes_turn: bool = True
    """Whether it is a write to the API server, and waits for its turn as others do."""


Verb: TypeAlias = Create | Delete | Patch | PatchRoot | PatchStatus | TakeOffFinalizer | Handled


class Action(Protocol):
    """What is done, and why."""

    @property
    def reason(self) -> str: ...
    @property
    def verb(self) -> Verb: ...


class StagedPlan(Protocol):
    """What one pass is to do, in an order: `first` at once, then stage after stage, then `last`."""

    @property
    def first(self) -> tuple[Action, ...]:
        """Actions that go out at once, whatever becomes of the others."""

    @property
    def stages(self) -> tuple[tuple[Action, ...], ...]:
        """Each begins when every action of the one before is done."""

    @property
    def last(self) -> tuple[Action, ...]:
        """Actions that are carried out after all others, whatever became of them."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """All of them."""

    @property
    def requeue_after(self) -> float | None:
        """Seconds until something that only time changes is due."""
