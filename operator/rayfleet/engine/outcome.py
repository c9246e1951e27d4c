"""The outcome of one action of a pass: a class for each, so that code that decides by it names the case."""

from typing import TypeAlias

from msgspec import Struct

from rayfleet.engine.actions import Action
from rayfleet.errors import ApiFailure, GcsFailure


class Succeeded(Struct, frozen=True):
    """The action is done, by this attempt or an earlier one."""

    action: Action
    warnings: tuple[str, ...] = ()
    """The warnings of the API server about an object that it created."""


class NotTried(Struct, frozen=True):
    """Neither done nor failed: it was not sent, or somebody else wrote first."""

    action: Action


class Failed(Struct, frozen=True):
    """The API server refused it or failed, or the answer was lost."""

    action: Action
    failure: ApiFailure


class Refused(Struct, frozen=True):
    """Ray refused to drain a node."""

    action: Action
    message: str
    """Ray's reason."""


class Unanswered(Struct, frozen=True):
    """Ray did not say whether it drains a node."""

    action: Action
    failure: GcsFailure


Outcome: TypeAlias = Succeeded | NotTried | Failed | Refused | Unanswered


def outcome_of(action: Action, failure: ApiFailure | None) -> Outcome:
    """The outcome of an action that succeeded unless there is a failure."""
    return Succeeded(action) if failure is None else Failed(action, failure)
