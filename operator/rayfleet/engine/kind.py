"""What a kind gives the engine: a record of functions. The loop is written once and knows no kind.

A pass over one root calls `learn`, `observe`, `plan`, the guards, the executor, `settle`, `learn` and
`observe` again, `conclude`, `follow`, then writes the status and posts the events. Only guards, handlers and
`follow` do I/O.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from msgspec import Struct, field

from rayfleet.engine.actions import StagedPlan
from rayfleet.engine.children import Child
from rayfleet.engine.event import Event
from rayfleet.engine.outcome import Failed, Outcome
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.resources import Resource
from rayfleet.kube.objects.roots import Root

PROGRESS_SECONDS = 0.5
"""Seconds for which progress of children is collected for one pass; what calls for action is not delayed."""

M = TypeVar("M")
"""What the kind remembers of one root between passes."""
S = TypeVar("S")
"""The input of one decision: frozen values."""
P = TypeVar("P", bound=StagedPlan)


class Look(NamedTuple):
    """The time of a look at a root, and what has changed around the root since the last look."""

    now: float
    """Unix seconds."""
    monotonic: float
    """Seconds of the event loop's monotonic clock."""
    is_new_generation: bool = False
    """The spec has changed since the last look."""
    is_clock_set: bool = False
    """The clock of `now` has jumped: a deadline may suddenly be past, or far off."""


class Check(Enum):
    """The check passed, and the pass goes on."""

    ASKED = auto()
    """It asked the API server, and meanwhile the caches may have changed: observe again."""
    NOTHING_ASKED = auto()


class Guard(Struct, Generic[M, S, P], frozen=True):
    """A check before a plan is carried out."""

    applies: Callable[[S, P], bool]
    check: Callable[[Root, M], Awaitable[Check | Done | Retry]]
    before_verified: bool = False
    """Whether it runs before the root is verified: its answer may be what makes a plan act at all."""


def _no_events(*_: object) -> Sequence[Event]:
    return ()


async def _unfollowed(*_: object) -> float | None:
    return None


class Kind(Struct, Generic[M, S, P], frozen=True):
    """One kind of root, which users write."""

    resource: Resource
    children: tuple[Child[Any], ...]
    new_memory: Callable[[Root], M]
    observe: Callable[[Root, M, Look], S]
    """The state of a root and its children, as values. Changes nothing."""
    plan: Callable[[S], P]
    """Pure: the plan contains every write of the pass."""
    status: Callable[[S, P, Sequence[Outcome]], dict[str, Any]]
    """Pure: the status to store, given the state after the plan was carried out."""

    learn: Callable[[Root, M, Look], None] = lambda *_: None
    """Take in what has arrived since the last look; only this and `settle` change the memory."""
    is_long: Callable[[S], bool] = lambda _: False
    """Whether planning may take so long that no other root should wait for it."""
    admit: Callable[[S, P], P] = lambda _seen, plan: plan
    """The part of a plan that fits what roots share. Runs on the event loop, without a break."""
    guards: tuple[Guard[M, S, P], ...] = ()
    handlers: Mapping[type, Callable[[Root, Any], Awaitable[Outcome]]] = field(default_factory=dict)
    """By class of action, what carries out an action whose verb is `Handled`."""
    settle: Callable[[M, S, P, Sequence[Outcome], float], Sequence[Outcome]] = (
        lambda _memory, _seen, _plan, outcomes, _now: outcomes
    )
    """Record a pass in the memory; return the outcomes to report."""
    conclude: Callable[[M, S, S | None, P, Sequence[Outcome]], S] = (
        lambda _memory, before, after, _plan, _outcomes: before if after is None else after
    )
    """The snapshot to report, of those before and after the pass; the latter is None if nothing was done."""
    follow: Callable[[S, P, M], Awaitable[float | None]] = _unfollowed
    """Pass on what was decided; return the seconds until that is due again, or None if it is not."""
    has_followed: Callable[[S, S, P], bool] = lambda *_: True
    """Whether `follow` has passed on, with the first snapshot, all that it would with the second."""
    waits: Callable[[M, S, P, Sequence[Outcome], Look], Sequence[float]] = lambda *_: ()
    """Seconds until time alone makes things due."""
    shortest_wait: Callable[[M], float] = lambda _: 0.0
    """The least seconds until the next pass if only time has passed."""
    is_patient: Callable[[Failed], bool] = lambda _: False
    """Whether `waits` covers a failure, instead of a retry with backoff."""
    is_same: Callable[[S, S], bool] = lambda one, other: one == other
    """Whether both snapshots lead to the same plan."""
    refreshed: Callable[[S, S], S] = lambda _, later: later
    """The snapshot to report, brought up to date with a later one of the same spec."""
    events: Callable[[S, P | None, Sequence[Outcome], JsonObject, JsonObject], Sequence[Event]] = _no_events
    """The events of a pass, given the status before it and the one stored now."""
    is_ours: Callable[[Root], bool] = lambda _: True
    """Whether this operator acts on a root."""
    is_urgent: Callable[[JsonObject, JsonObject], bool] = lambda _before, _after: True
    """Whether the difference between two statuses is written at once."""
    unheard: Callable[[JsonObject, JsonObject], tuple[JsonObject, JsonObject]] = lambda *both: both
    """Two statuses without what the tenant's programs may change each second."""
    forget: Callable[[Key], None] = lambda _: None
    """Called when a root is gone."""
    begin: Callable[[Key], None] = lambda _: None
    """Called when a pass begins, which may fail."""
    fail: Callable[[Key], None] = lambda _: None
    """Called when a pass has failed because of a defect."""
    planned: Callable[[Key, float], None] = lambda _key, _seconds: None
    """Called with the CPU seconds that a plan took."""
    dependents: Callable[[Key], Iterable[Key]] = lambda _: ()
    """The roots of this kind that depend on a root of another kind: they are woken with it."""
    changed: Callable[[Key], None] = lambda _: None
    """Called when a child of the root has changed."""
    pace: Callable[[Key, float], float] = lambda _key, _counts_wait: PROGRESS_SECONDS
    """Seconds until the pass after a child has only made progress towards readiness.

    Its input is the seconds until a status that differs only in counts may be written."""
    lead: Callable[[], None] = lambda: None
    """Called when a term begins, before its first pass: a pass of an earlier one may still be under way."""
    stand_by: Callable[[], None] = lambda: None
    """Called when another operator leads: what was learned from others is no longer of use."""


AnyKind: TypeAlias = Kind[Any, Any, Any]
"""For code that passes on a kind's memory, snapshots and plans without looking into them."""
