"""What the engine is told of a kind: a record of functions. The loop is written once, and knows no kind.

A pass over one root is `learn`, `observe`, `plan`, the guards, the executor, `settle`, `learn` and
`observe` again, `conclude`, `follow`, then the status and the events. All but guards, handlers and `follow`
is without I/O.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from rayfleet.engine.actions import StagedPlan
from rayfleet.engine.children import Child
from rayfleet.engine.event import Event
from rayfleet.engine.outcome import Failed, Outcome
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.resources import Resource
from rayfleet.kube.objects.roots import Root

PROGRESS_SECONDS = 0.5
"""Children on their way to readiness are looked at together; what calls for action is looked at at once."""

M = TypeVar("M")
"""What the kind remembers of one root between passes."""
S = TypeVar("S")
"""What one decision is made from: frozen values."""
P = TypeVar("P", bound=StagedPlan)


class Look(NamedTuple):
    """When a root is looked at, and what has changed around it since the last time."""

    now: float
    """Unix seconds."""
    monotonic: float
    """Seconds by the loop's own clock, which nobody sets."""
    is_new_generation: bool = False
    """Its spec is another one than the last time."""
    is_clock_set: bool = False
    """The clock of `now` has jumped: what was to last until a time may be over, or far away."""


class Check(Enum):
    """All is well, and the pass goes on."""

    ASKED = auto()
    """With what is known by now: the caches may have heard of something meanwhile."""
    NOTHING_ASKED = auto()


@dataclass(frozen=True)
class Guard(Generic[M, S, P]):
    """Something to be asked before a plan is carried out."""

    applies: Callable[[S, P], bool]
    check: Callable[[Root, M], Awaitable[Check | Done | Retry]]
    before_verified: bool = False
    """Asked before the root itself is: what it says may be what makes a plan act at all."""


def _no_events(*_: object) -> Sequence[Event]:
    return ()


async def _unfollowed(*_: object) -> float | None:
    return None


@dataclass(frozen=True)
class Kind(Generic[M, S, P]):
    """One kind that users write."""

    resource: Resource
    children: tuple[Child[Any], ...]
    new_memory: Callable[[Root], M]
    observe: Callable[[Root, M, Look], S]
    """What there is, as values. Looking changes nothing."""
    plan: Callable[[S], P]
    """Pure: it contains every write of the pass."""
    status: Callable[[S, P, Sequence[Outcome]], dict[str, Any]]
    """Pure: the status as it should be stored, given what is there once the plan was carried out."""

    learn: Callable[[Root, M, Look], None] = lambda *_: None
    """Take in what was heard since the last look; apart from this and `settle`, nothing changes memory."""
    is_long: Callable[[S], bool] = lambda _: False
    """Whether to plan may take so long that nobody should wait for it."""
    admit: Callable[[S, P], P] = lambda _seen, plan: plan
    """As much of a plan as what roots share leaves room for. On the event loop, in one go."""
    guards: tuple[Guard[M, S, P], ...] = ()
    handlers: Mapping[type, Callable[[Root, Any], Awaitable[Outcome]]] = field(default_factory=dict)
    """By class of action, what carries it out where no verb of the engine does."""
    settle: Callable[[M, S, P, Sequence[Outcome], float], Sequence[Outcome]] = (
        lambda _memory, _seen, _plan, outcomes, _now: outcomes
    )
    """What memory keeps of a pass; the outcomes as they are to be reported."""
    conclude: Callable[[M, S, S | None, P, Sequence[Outcome]], S] = (
        lambda _memory, before, after, _plan, _outcomes: before if after is None else after
    )
    """What is reported on: what was seen before the pass, or after it; none where nothing was done."""
    follow: Callable[[S, P, M], Awaitable[float | None]] = _unfollowed
    """Pass on what was decided to others; seconds until that is to be done again, none where never."""
    waits: Callable[[M, S, P, Sequence[Outcome], Look], Sequence[float]] = lambda *_: ()
    """Seconds until things that only time changes."""
    shortest_wait: Callable[[M], float] = lambda _: 0.0
    """Seconds until its next pass at least, where only time has passed."""
    is_patient: Callable[[Failed], bool] = lambda _: False
    """Whether a failure is waited out by `waits`, rather than by a retry with backoff."""
    is_same: Callable[[S, S], bool] = lambda one, other: one == other
    """Whether a plan would be the same for both."""
    refreshed: Callable[[S, S], S] = lambda _, later: later
    """What is reported on, as it is a moment later; the spec is the same."""
    events: Callable[[S, P | None, Sequence[Outcome], JsonObject, JsonObject], Sequence[Event]] = _no_events
    """What a pass did, given the status before and the one that is stored by now."""
    is_ours: Callable[[Root], bool] = lambda _: True
    """Whether this operator is the one that acts on a root."""
    is_urgent: Callable[[JsonObject, JsonObject], bool] = lambda _before, _after: True
    """Whether the difference of two statuses is written at once."""
    unheard: Callable[[JsonObject, JsonObject], tuple[JsonObject, JsonObject]] = lambda *both: both
    """Two statuses without what programs of their tenant may change each second."""
    forget: Callable[[Key], None] = lambda _: None
    """A root is gone."""
    begin: Callable[[Key], None] = lambda _: None
    """A pass begins, and may fail."""
    fail: Callable[[Key], None] = lambda _: None
    """A pass has failed by a defect."""
    planned: Callable[[Key, float], None] = lambda _key, _seconds: None
    """A plan has taken so much CPU time."""
    changed: Callable[[Key], None] = lambda _: None
    """A child of this root has changed."""
    pace: Callable[[Key, float], float] = lambda _key, _counts_wait: PROGRESS_SECONDS
    """Seconds until the pass after a child has but come further on its way to readiness.

    Given the seconds until a status that differs in mere counts may be written."""
    stand_by: Callable[[], None] = lambda: None
    """Another operator leads: what was learned from others is of no use any more."""


AnyKind: TypeAlias = Kind[Any, Any, Any]
"""For code that hands a kind's memory, snapshots and plans on without looking into them."""
