"""The writes of a pass, as verbs. An action says everything; the executor has nothing left to decide.

A kind has its own actions, such as "create a pod of this group". Each names the verb that carries it out.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from rayfleet.kube.objects.resources import Resource


class Create(Struct, frozen=True):
    """Create an object. An existing one of its name counts as created if it is ours, and the same."""

    resource: Resource
    name: str
    body: Mapping[str, Any]
    template_hash: str = ""
    """The hash that the annotation of an existing object must have; empty if any will do."""
    batch: str = ""
    """Once a create of a batch fails, the rest of the batch is not sent; empty for a create on its own."""
    remedy: str = ""
    """What the user can do if the name is taken by an object that is not ours."""


class Delete(Struct, frozen=True):
    """Delete one object, by uid."""

    resource: Resource
    name: str
    uid: str


class Patch(Struct, frozen=True):
    """Merge-patch one object, by uid."""

    resource: Resource
    name: str
    uid: str
    body: Mapping[str, Any]


class JsonPatch(Struct, frozen=True):
    """JSON-patch one object, by uid: a merge patch cannot change one item of a list."""

    resource: Resource
    name: str
    uid: str
    operations: tuple[Mapping[str, Any], ...]


class PatchRoot(Struct, frozen=True):
    """JSON-patch the root of the pass, only if nobody has written to it since."""

    operations: tuple[Mapping[str, Any], ...]


class PatchStatus(Struct, frozen=True):
    """Merge-patch the status of the root, only if nobody has written to it since."""

    fields: Mapping[str, Any]


class PutOnFinalizer(Struct, frozen=True):
    """Add a finalizer to the root, as the root is at that moment; those of others stay."""

    finalizer: str


class TakeOffFinalizer(Struct, frozen=True):
    """Remove a finalizer from the root, as the root is at that moment."""

    finalizer: str
    remedy: str
    """What an administrator can do if that is forbidden."""


class Handled(Struct, frozen=True):
    """A handler of the kind carries it out."""

    takes_turn: bool = True
    """Whether it writes to the API server, and so waits for its turn like other writes."""
    may_hang: bool = False
    """Whether it waits for a tenant's program for seconds, so that no other root should wait for its pass."""


Verb: TypeAlias = (
    Create
    | Delete
    | Patch
    | JsonPatch
    | PatchRoot
    | PatchStatus
    | PutOnFinalizer
    | TakeOffFinalizer
    | Handled
)


class Action(Protocol):
    """What to do, and why."""

    @property
    def reason(self) -> str: ...
    @property
    def verb(self) -> Verb: ...


class StagedPlan(Protocol):
    """The actions of one pass, in order: `first` at once, then stage after stage, then `last`."""

    @property
    def first(self) -> tuple[Action, ...]:
        """Actions that start at once, whatever happens to the others."""

    @property
    def stages(self) -> tuple[tuple[Action, ...], ...]:
        """Each stage begins once every action of the previous one has succeeded."""

    @property
    def last(self) -> tuple[Action, ...]:
        """Actions that run after all others, whether those succeeded or not."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions."""

    @property
    def requeue_after(self) -> float | None:
        """Seconds until time alone makes something due."""
