"""A kind that does what a test asks for, once for each text of its greeting."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from rayfleet.engine.actions import Create, Verb
from rayfleet.engine.children import Stores
from rayfleet.engine.event import Event
from rayfleet.engine.kind import Kind
from rayfleet.engine.outcome import Outcome, Succeeded
from support.greeting_kind import CONFIG_MAPS, LABEL, Seen, greetings


@dataclass(frozen=True)
class Act:
    """An action."""

    verb: Verb
    reason: str = "asked for"


CREATE = Act(Create(CONFIG_MAPS, "hello", {"metadata": {"name": "hello", "labels": {LABEL: "hello"}}}))


@dataclass(frozen=True)
class Acts:
    """A plan."""

    first: tuple[Act, ...] = ()
    stages: tuple[tuple[Act, ...], ...] = ()
    last: tuple[Act, ...] = ()
    requeue_after: float | None = None

    @property
    def actions(self) -> tuple[Act, ...]:
        return (*self.first, *(act for stage in self.stages for act in stage), *self.last)


@dataclass
class Acting:
    """The kind, and what came of each pass that acted. `changes` are fields of the kind."""

    acts: Acts
    changes: dict[str, Any] = field(default_factory=dict)
    passes: list[tuple[Outcome, ...]] = field(default_factory=list)
    plans: int = 0

    def __call__(self, stores: Stores) -> Kind[Any, Any, Any]:
        own: dict[str, Any] = {"plan": self._plan, "settle": self._settle, "status": self._status}
        return replace(greetings(stores), **(own | self.changes))

    @property
    def ways(self) -> list[list[str]]:
        """How each action went, a list a pass."""
        return [[type(outcome).__name__ for outcome in outcomes] for outcomes in self.passes]

    def _plan(self, seen: Seen) -> Acts:
        self.plans += 1
        greeting, _ = seen
        done = greeting.status.get("said") == greeting.spec["text"]
        return Acts(requeue_after=self.acts.requeue_after) if done or greeting.deleting else self.acts

    def _settle(
        self, _memory: None, _seen: Seen, _plan: Acts, outcomes: Sequence[Outcome], _now: float
    ) -> Sequence[Outcome]:
        if outcomes:
            self.passes.append(tuple(outcomes))
        return outcomes

    def _status(self, seen: Seen, _plan: Acts, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """The text is said once all went well."""
        greeting, _ = seen
        if outcomes and all(isinstance(outcome, Succeeded) for outcome in outcomes):
            return {"said": greeting.spec["text"]}
        return dict(greeting.status)


def posts(*events: Event) -> Callable[..., Sequence[Event]]:
    """The events of each pass that did something."""
    return lambda _seen, _plan, outcomes, _before, _after: events if outcomes else ()
