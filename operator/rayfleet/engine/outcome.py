"""How one action of a pass went: one class for each way, so that a decision about it names what it means."""

from dataclasses import dataclass
from typing import TypeAlias

from rayfleet.engine.actions import Action
from rayfleet.errors import ApiFailure, GcsFailure


@dataclass(frozen=True, slots=True)
class Succeeded:
    """What the action is for is so: by this attempt, or by an earlier one."""

    action: Action
    warnings: tuple[str, ...] = ()
    """What the API server has remarked on an object that it made."""


@dataclass(frozen=True, slots=True)
class NotTried:
    """Nothing came of it, and nothing has failed: it was not sent, or somebody else wrote first."""

    action: Action


@dataclass(frozen=True, slots=True)
class Failed:
    """The API server has not done it, or its answer was lost."""

    action: Action
    failure: ApiFailure


@dataclass(frozen=True, slots=True)
class Refused:
    """Ray does not give a node up."""

    action: Action
    message: str
    """In Ray's words."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Ray has not said whether it gives a node up."""

    action: Action
    failure: GcsFailure


Outcome: TypeAlias = Succeeded | NotTried | Failed | Refused | Unanswered


def outcome_of(action: Action, failure: ApiFailure | None) -> Outcome:
    """Of an action that has succeeded unless there is a failure."""
    return Succeeded(action) if failure is None else Failed(action, failure)
