"""What a reflector does next: list, watch or wait. A table without I/O; each fault is a row in its test."""

from enum import Enum, auto
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.errors import ApiFailure, Policy, policy

FIRST_WAIT = 0.25
"""Seconds, doubled with each failure in a row."""
LONGEST_WAIT = 5.0
"""Seconds, for a server that is down or failing, so that its return is noticed soon."""
LONGEST_REFUSED_WAIT = 30.0
"""Seconds, when the server forbids the request or sends Retry-After."""
UNAVAILABLE_WAIT = 60.0
"""Seconds between attempts to list an optional kind that is absent or forbidden."""
LASTING_WATCH = 5.0
"""Seconds that a watch must have lived to end a row of failures."""
FAILED_RESUMPTIONS = 5
"""Server errors in a row after which the reflector lists again instead of resuming the old watch."""
SERVER_ERRORS = 500
"""The lowest HTTP status that means an error of the server."""


class Phase(Enum):
    """What a reflector is doing."""

    LISTING = auto()
    WATCHING = auto()
    WAITING_TO_LIST = auto()
    WAITING_TO_WATCH = auto()
    UNAVAILABLE = auto()
    """An optional kind is absent or forbidden. It is tried again each minute."""


class State(Struct, frozen=True):
    """What a reflector is doing, and what it must remember of how it got there."""

    phase: Phase = Phase.LISTING
    optional: bool = False
    """Whether the operator can do without this kind."""
    resource_version: int = 0
    """Everything up to this version has been seen."""
    synced: bool = False
    """It has listed, and is still allowed to."""
    refused: bool = False
    """The last list was answered with "forbidden" or "not found"."""
    failures: int = 0
    """In a row. A list does not end the row; a watch that lasts does."""
    whole_list: bool = False
    """Pages expired while they were read, so the next list is read in one piece."""
    lost: bool = False
    """The watch may have missed events, and no list has made up for it yet."""
    lists: int = 0
    gaps: int = 0
    """Rises when the view may have missed events, and again when a list has made up for it."""
    losses: int = 0
    """How many times the watch may have missed events."""
    error: str = ""
    """What is wrong; empty if nothing is."""


class Listed(Struct, frozen=True):
    """A list was read to its end."""

    resource_version: int


class ListFailed(Struct, frozen=True):
    failure: ApiFailure


class Opened(Struct, frozen=True):
    """The server has accepted a watch."""


class WatchEnded(Struct, frozen=True):
    """The server closed a watch, as it does when its time is up."""

    resource_version: int
    lived: float
    """Seconds since it was accepted; 0 if it was not."""


class WatchFailed(Struct, frozen=True):
    """A watch was not accepted, was cut, or fell silent. What it has shown so far is right."""

    resource_version: int
    lived: float
    failure: ApiFailure


class StreamBroken(Struct, frozen=True):
    """An ERROR event, or a history that goes backwards: the watch may have missed something."""

    resource_version: int
    lived: float
    failure: ApiFailure


class Waited(Struct, frozen=True):
    """The wait is over."""


Input: TypeAlias = Listed | ListFailed | Opened | WatchEnded | WatchFailed | StreamBroken | Waited


class List(Struct, frozen=True):
    """List everything, in pages or in one piece."""

    whole: bool = False


class Watch(Struct, frozen=True):
    """Watch for what came after `resource_version`."""

    resource_version: int


class Wait(Struct, frozen=True):
    """Wait up to `seconds`; the driver shortens it at random, so that not all reflectors return at once."""

    seconds: float


class GoOn(Struct, frozen=True):
    """Continue with what is under way."""


Effect: TypeAlias = List | Watch | Wait | GoOn


def start(*, optional: bool) -> tuple[State, Effect]:
    """The first step."""
    return State(optional=optional), List()


def step(state: State, happened: Input) -> tuple[State, Effect]:
    """Return the next state and the next effect, from the state and what happened."""
    match happened:
        case Listed(version):
            return _listed(state, version), Watch(version)
        case ListFailed(failure):
            return _list_failed(state, failure)
        case Opened():
            return replace(state, error=""), GoOn()
        case Waited() if state.phase is Phase.WAITING_TO_WATCH:
            return replace(state, phase=Phase.WATCHING), Watch(state.resource_version)
        case Waited():
            return replace(state, phase=Phase.LISTING), List(state.whole_list)
    version, lived = happened.resource_version, happened.lived
    after = replace(state, resource_version=version, failures=0 if lived >= LASTING_WATCH else state.failures)
    match happened:
        case WatchEnded() if lived >= LASTING_WATCH:
            return after, Watch(version)
        case WatchEnded():
            return _wait_to_watch(after, "the server ends each watch at once", LONGEST_WAIT)
        case WatchFailed(failure=failure):
            return _watch_failed(after, failure)
        case StreamBroken(failure=failure):
            return _relist(after, failure)


def _listed(state: State, version: int) -> State:
    return replace(
        state,
        phase=Phase.WATCHING,
        resource_version=version,
        synced=True,
        refused=False,
        whole_list=False,
        lost=False,
        lists=state.lists + 1,
        gaps=state.gaps + state.lost,
        error="",
    )


def _list_failed(state: State, failure: ApiFailure) -> tuple[State, Effect]:
    if policy(failure) is Policy.EXPIRED and not state.whole_list:
        return replace(state, whole_list=True), List(whole=True)
    if policy(failure) in {Policy.DENIED, Policy.GONE}:
        # What was listed before goes stale from now on, and no event will say so.
        state = replace(state, synced=False, refused=True)
    return _wait_to_list(state, failure)


def _watch_failed(state: State, failure: ApiFailure) -> tuple[State, Effect]:
    """Resume the watch; list if our request is at fault, or if resuming keeps failing."""
    if policy(failure) is Policy.EXPIRED:
        return _relist(state, failure)
    if policy(failure) not in {Policy.RETRY, Policy.UNAUTHENTICATED}:
        return _wait_to_list(_lose(state), failure)
    if failure.status >= SERVER_ERRORS and state.failures + 1 >= FAILED_RESUMPTIONS:
        return _wait_to_list(_lose(state), failure)
    return _wait_to_watch(state, failure.message, _longest(failure), failure.retry_after)


def _relist(state: State, failure: ApiFailure) -> tuple[State, Effect]:
    """List at once the first time; wait first if a list has just failed to help."""
    if state.failures == 0:
        listing = replace(_lose(state), phase=Phase.LISTING, failures=1, error=failure.message)
        return listing, List()
    return _wait_to_list(_lose(state), failure)


def _lose(state: State) -> State:
    return replace(state, lost=True, gaps=state.gaps + 1, losses=state.losses + (not state.lost))


def _wait_to_list(state: State, failure: ApiFailure) -> tuple[State, Effect]:
    if state.optional and policy(failure) in {Policy.DENIED, Policy.GONE}:
        unavailable = replace(state, phase=Phase.UNAVAILABLE, synced=False, failures=0, error=failure.message)
        return unavailable, Wait(UNAVAILABLE_WAIT)
    waiting = replace(state, phase=Phase.WAITING_TO_LIST, failures=state.failures + 1, error=failure.message)
    return waiting, Wait(_backoff(state.failures, _longest(failure), failure.retry_after))


def _wait_to_watch(
    state: State, error: str, longest: float, retry_after: float | None = None
) -> tuple[State, Effect]:
    waiting = replace(state, phase=Phase.WAITING_TO_WATCH, failures=state.failures + 1, error=error)
    return waiting, Wait(_backoff(state.failures, longest, retry_after))


def _longest(failure: ApiFailure) -> float:
    calm = policy(failure) in {Policy.DENIED, Policy.GONE} or failure.retry_after is not None
    return LONGEST_REFUSED_WAIT if calm else LONGEST_WAIT


def _backoff(failures: int, longest: float, retry_after: float | None) -> float:
    wait = FIRST_WAIT * 2.0 ** min(failures, 30)
    return min(max(wait, retry_after or 0.0), longest)
