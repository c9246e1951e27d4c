"""Everything that can happen to a reflector, and its reaction: one row per fault."""

from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from rayfleet.errors import ApiFailure
from rayfleet.kube.informer.machine import (
    Effect,
    GoOn,
    Input,
    List,
    Listed,
    ListFailed,
    Opened,
    Phase,
    State,
    StreamBroken,
    Wait,
    Waited,
    Watch,
    WatchEnded,
    WatchFailed,
)

LISTING = State(phase=Phase.LISTING)
WATCHING = State(phase=Phase.WATCHING, resource_version=70, synced=True, lists=1)
OPTIONAL = replace(WATCHING, optional=True)
AT_ONCE, LONG = 0.0, 60.0

CUT = ApiFailure(0, "NoAnswer", "connection refused")
SILENT = ApiFailure(0, "Silent", "nothing came for 90 s")
EXPIRED = ApiFailure(410, "Expired", "too old resource version")
FORBIDDEN = ApiFailure(403, "Forbidden", "you may not list pods")
ABSENT = ApiFailure(404, "NotFound", "no such resource")
UNAUTHORIZED = ApiFailure(401, "Unauthorized", "token expired")
BUSY = ApiFailure(429, "TooManyRequests", "try later", retry_after=8)
ILL = ApiFailure(500, "InternalError", "etcd is away")
BAD_REQUEST = ApiFailure(400, "BadRequest", "invalid resourceVersion")

GAP = {"lost": True, "gaps": 1, "losses": 1}


@dataclass(frozen=True)
class Row:
    id: str
    """A sentence about the behaviour."""
    state: State
    happened: Input
    then: Effect
    now: dict[str, Any] = field(default_factory=dict)
    """The changed fields of the state; all others stay."""


def to_list(failures: int, failure: ApiFailure, **more: object) -> dict[str, Any]:
    return {"phase": Phase.WAITING_TO_LIST, "failures": failures, "error": failure.message, **more}


def to_watch(failures: int, failure: ApiFailure, **more: object) -> dict[str, Any]:
    return {"phase": Phase.WAITING_TO_WATCH, "failures": failures, "error": failure.message, **more}


LISTS: list[Row] = [
    Row(
        "a list is followed by a watch from its version",
        LISTING,
        Listed(70),
        Watch(70),
        {"phase": Phase.WATCHING, "resource_version": 70, "synced": True, "lists": 1},
    ),
    Row(
        "a list that closes a gap says so",
        replace(LISTING, synced=True, lists=1, lost=True, gaps=1, error="x", failures=1),
        Listed(90),
        Watch(90),
        {
            "phase": Phase.WATCHING,
            "resource_version": 90,
            "lists": 2,
            "lost": False,
            "gaps": 2,
            "error": "",
        },
    ),
    Row(
        "an expired page starts the list again, at once and in one piece",
        LISTING,
        ListFailed(EXPIRED),
        List(whole=True),
        {"whole_list": True},
    ),
    Row(
        "a whole list that expires is tried again, after a wait",
        replace(LISTING, whole_list=True),
        ListFailed(EXPIRED),
        Wait(0.25),
        to_list(1, EXPIRED),
    ),
    Row(
        "an unreachable server is tried again",
        LISTING,
        ListFailed(CUT),
        Wait(0.25),
        to_list(1, CUT),
    ),
    Row(
        "each failure in a row doubles the wait",
        replace(LISTING, failures=3),
        ListFailed(CUT),
        Wait(2.0),
        to_list(4, CUT),
    ),
    Row(
        "an unreachable server is tried at least every 5 s",
        replace(LISTING, failures=1000),
        ListFailed(CUT),
        Wait(5.0),
        to_list(1001, CUT),
    ),
    Row(
        "an ill server is tried at least every 5 s",
        replace(LISTING, failures=20),
        ListFailed(ILL),
        Wait(5.0),
        to_list(21, ILL),
    ),
    Row(
        "a server that asks for patience gets it",
        LISTING,
        ListFailed(BUSY),
        Wait(8.0),
        to_list(1, BUSY),
    ),
    Row(
        "but not without bounds",
        LISTING,
        ListFailed(replace(BUSY, retry_after=3600)),
        Wait(30.0),
        to_list(1, BUSY),
    ),
    Row(
        "refused credentials are tried again, after the client has read them again",
        LISTING,
        ListFailed(UNAUTHORIZED),
        Wait(0.25),
        to_list(1, UNAUTHORIZED),
    ),
    Row(
        "a core kind that is forbidden is tried again, not synced, and says why",
        LISTING,
        ListFailed(FORBIDDEN),
        Wait(0.25),
        to_list(1, FORBIDDEN, refused=True),
    ),
    Row(
        "what was listed before it was forbidden does not count as the present view",
        replace(LISTING, synced=True, lists=1),
        ListFailed(FORBIDDEN),
        Wait(0.25),
        to_list(1, FORBIDDEN, refused=True, synced=False),
    ),
    Row(
        "what was listed before the server was cut off does: verified before each write, as ever",
        replace(LISTING, synced=True, lists=1),
        ListFailed(CUT),
        Wait(0.25),
        to_list(1, CUT),
    ),
    Row(
        "a list ends a refusal",
        replace(LISTING, refused=True, error="you may not", failures=3),
        Listed(70),
        Watch(70),
        {
            "phase": Phase.WATCHING,
            "resource_version": 70,
            "synced": True,
            "refused": False,
            "lists": 1,
            "error": "",
        },
    ),
    Row(
        "ever more slowly",
        replace(LISTING, failures=20),
        ListFailed(FORBIDDEN),
        Wait(30.0),
        to_list(21, FORBIDDEN, refused=True),
    ),
    Row(
        "an optional kind that is absent is unavailable and looked for each minute",
        replace(LISTING, optional=True),
        ListFailed(ABSENT),
        Wait(60.0),
        {"phase": Phase.UNAVAILABLE, "refused": True, "error": ABSENT.message},
    ),
    Row(
        "an optional kind that is forbidden is unavailable too",
        replace(LISTING, optional=True, failures=7),
        ListFailed(FORBIDDEN),
        Wait(60.0),
        {"phase": Phase.UNAVAILABLE, "failures": 0, "refused": True, "error": FORBIDDEN.message},
    ),
    Row(
        "an optional kind behind an unreachable server is not unavailable, but late",
        replace(LISTING, optional=True),
        ListFailed(CUT),
        Wait(0.25),
        to_list(1, CUT),
    ),
]

WATCHES: list[Row] = [
    Row(
        "an accepted watch means that all is well",
        replace(WATCHING, error="connection refused", failures=2),
        Opened(),
        GoOn(),
        {"error": ""},
    ),
    Row(
        "a watch whose time is up is resumed at once where it stood, without a gap",
        replace(WATCHING, failures=2),
        WatchEnded(88, LONG),
        Watch(88),
        {"resource_version": 88, "failures": 0},
    ),
    Row(
        "a watch that the server ends at once is resumed after a wait",
        WATCHING,
        WatchEnded(70, AT_ONCE),
        Wait(0.25),
        {
            "phase": Phase.WAITING_TO_WATCH,
            "failures": 1,
            "error": "the server ends each watch at once",
        },
    ),
    Row(
        "a stream that is cut is resumed where it stood, without a gap",
        WATCHING,
        WatchFailed(88, LONG, CUT),
        Wait(0.25),
        to_watch(1, CUT, resource_version=88),
    ),
    Row(
        "a stream that falls silent is resumed where it stood, without a gap",
        WATCHING,
        WatchFailed(88, LONG, SILENT),
        Wait(0.25),
        to_watch(1, SILENT, resource_version=88),
    ),
    Row(
        "a server that stays away is tried at least every 5 s, and the place is kept",
        replace(WATCHING, failures=1000),
        WatchFailed(70, AT_ONCE, CUT),
        Wait(5.0),
        to_watch(1001, CUT),
    ),
    Row(
        "a watch that lasted ends the row of failures",
        replace(WATCHING, failures=9),
        WatchFailed(88, LONG, CUT),
        Wait(0.25),
        to_watch(1, CUT, resource_version=88),
    ),
    Row(
        "a watch that asks for patience waits, and keeps its place",
        WATCHING,
        WatchFailed(70, AT_ONCE, BUSY),
        Wait(8.0),
        to_watch(1, BUSY),
    ),
    Row(
        "refused credentials keep the place",
        WATCHING,
        WatchFailed(70, AT_ONCE, UNAUTHORIZED),
        Wait(0.25),
        to_watch(1, UNAUTHORIZED),
    ),
    Row(
        "a server error keeps the place",
        WATCHING,
        WatchFailed(70, AT_ONCE, ILL),
        Wait(0.25),
        to_watch(1, ILL),
    ),
    Row(
        "five server errors in a row give the place up: it may be what makes them",
        replace(WATCHING, failures=4),
        WatchFailed(70, AT_ONCE, ILL),
        Wait(4.0),
        to_list(5, ILL, **GAP),
    ),
    Row(
        "a version that has expired is a gap, closed by a list at once",
        WATCHING,
        WatchFailed(70, AT_ONCE, EXPIRED),
        List(),
        {"phase": Phase.LISTING, "failures": 1, **GAP, "error": EXPIRED.message},
    ),
    Row(
        "a list's version that has expired again is listed after a wait, not in a hot loop",
        replace(WATCHING, failures=1),
        WatchFailed(70, AT_ONCE, EXPIRED),
        Wait(0.5),
        to_list(2, EXPIRED, **GAP),
    ),
    Row(
        "an ERROR event is a gap, closed by a list at once",
        WATCHING,
        StreamBroken(88, LONG, EXPIRED),
        List(),
        {
            "phase": Phase.LISTING,
            "resource_version": 88,
            "failures": 1,
            **GAP,
            "error": EXPIRED.message,
        },
    ),
    Row(
        "streams that break again and again are listed after a wait",
        replace(WATCHING, failures=2),
        StreamBroken(88, 0.1, ILL),
        Wait(1.0),
        to_list(3, ILL, resource_version=88, **GAP),
    ),
    Row(
        "a watch that the server cannot understand is no reason to go on asking the same",
        WATCHING,
        WatchFailed(70, AT_ONCE, BAD_REQUEST),
        Wait(0.25),
        to_list(1, BAD_REQUEST, **GAP),
    ),
    Row(
        "a core kind that has become forbidden is listed again when it may be, and says why not yet",
        WATCHING,
        WatchFailed(70, AT_ONCE, FORBIDDEN),
        Wait(0.25),
        to_list(1, FORBIDDEN, **GAP),
    ),
    Row(
        "an optional kind that has gone becomes unavailable, and is not synced any more",
        OPTIONAL,
        WatchFailed(70, AT_ONCE, ABSENT),
        Wait(60.0),
        {"phase": Phase.UNAVAILABLE, "synced": False, **GAP, "error": ABSENT.message},
    ),
]

WAITS: list[Row] = [
    Row(
        "after a cut, the watch goes on where it stood",
        replace(WATCHING, phase=Phase.WAITING_TO_WATCH, failures=1),
        Waited(),
        Watch(70),
        {"phase": Phase.WATCHING},
    ),
    Row(
        "after a failed list, a list",
        replace(LISTING, phase=Phase.WAITING_TO_LIST, failures=1),
        Waited(),
        List(),
        {"phase": Phase.LISTING},
    ),
    Row(
        "after a failed whole list, a whole one",
        replace(LISTING, phase=Phase.WAITING_TO_LIST, whole_list=True),
        Waited(),
        List(whole=True),
        {"phase": Phase.LISTING},
    ),
    Row(
        "an unavailable kind is looked for",
        replace(OPTIONAL, phase=Phase.UNAVAILABLE, synced=False),
        Waited(),
        List(),
        {"phase": Phase.LISTING},
    ),
]
