"""A wake-up during a pass causes another pass only if that would find or do something new."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.children import Stores
from rayfleet.engine.kind import Kind
from rayfleet.kube.objects.keys import Key
from support.greeting_api import (
    CARD_PATH,
    CARDS,
    KEY,
    MADE,
    REPORTED,
    STATUS,
    Engine,
    GreetingApi,
    card,
    greeting_engine,
    hurry_engine,
    written,
)
from support.greeting_kind import CARD, CONFIG_MAPS, Seen, Todo, greetings
from support.greeting_kind import plan as plan_of_greetings
from support.scripted_watch import until

SECOND = CONFIG_MAPS.path("ml", "second")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry_engine(monkeypatch)


@dataclass
class Counted:
    """Greetings, with `changes`, whose passes are counted."""

    changes: dict[str, Any] = field(default_factory=dict)
    passes: list[Key] = field(default_factory=list)

    def __call__(self, stores: Stores) -> Kind[Any, Any, Any]:
        return replace(greetings(stores), begin=self.passes.append, **self.changes)


def _then_seen(api: GreetingApi, engine: Callable[[], Engine]) -> None:
    """The watch shows a new card before the create is answered."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        usual = api.usual(api.requests[-1], CARDS)
        await until("the card to be seen", lambda: len(engine().loop.stores.of(CARD).owned_by(KEY)) == 1)
        await usual(writer)

    api.answers["POST", CARDS] = answer


def _meanwhile(api: GreetingApi, engine: Callable[[], Engine], act: Callable[[], None]) -> None:
    """While the first status is being written, something happens that the engine sees."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        api.answers.pop(("PATCH", STATUS), None)
        act()
        await until("the key to be woken", lambda: engine().loop.queue.is_woken(KEY))
        await api.usual(api.requests[-1], STATUS)(writer)

    api.answers["PATCH", STATUS] = answer


def _another_card(api: GreetingApi) -> Callable[[], None]:
    return lambda: api.replace(SECOND, card(name="second", uid="uid-second"))


async def test_a_child_that_is_seen_before_the_answer_to_its_create_causes_no_further_pass() -> None:
    """The pass reads the caches after its writes, and plans and reports by them."""
    api, kind = written(), Counted()
    async with greeting_engine(kind, api=api) as engine:
        _then_seen(api, lambda: engine)
        await until("the status", lambda: api.said == "hi")
        await engine.at_rest()
        assert engine.writes == [MADE, REPORTED]
        assert len(kind.passes) == 1


async def test_a_later_change_of_the_status_is_reported_by_a_further_pass() -> None:
    """The first status was already on its way."""

    def status(seen: Seen, _: Todo, __: object) -> dict[str, Any]:
        return {"said": seen[0].spec["text"] if seen[1] else "", "cards": len(seen[1])}

    api, kind = written(), Counted({"status": status})
    async with greeting_engine(kind, api=api) as engine:
        _meanwhile(api, lambda: engine, _another_card(api))
        await until("the second card", lambda: api.status.get("cards") == 2)
        assert len(kind.passes) == 2


@pytest.mark.parametrize(("changes", "passes"), [({}, 1), ({"refreshed": lambda before, _: before}, 2)])
async def test_a_kind_without_a_fresh_report_gets_a_further_pass(
    changes: dict[str, Any], passes: int
) -> None:
    """It may do more about the change than plan and report."""
    api, kind = written(), Counted(changes)
    async with greeting_engine(kind, api=api) as engine:
        _meanwhile(api, lambda: engine, _another_card(api))
        await until("the status", lambda: api.said == "hi")
        await engine.at_rest()
        assert len(kind.passes) == passes


async def test_a_change_that_a_kind_has_not_followed_gets_a_further_pass() -> None:
    """A head may have become ready meanwhile, and is not polled yet."""
    api, kind = written(), Counted({"has_followed": lambda then, now, _: then == now})
    async with greeting_engine(kind, api=api) as engine:
        _meanwhile(api, lambda: engine, _another_card(api))
        await until("the further pass", lambda: len(kind.passes) == 2)


async def test_admission_sees_the_last_state_of_a_root_that_gets_no_further_pass() -> None:
    """A deleted child that has gone meanwhile must not be counted any longer."""
    counts: list[int] = []

    def admit(seen: Seen, decided: Todo) -> Todo:
        counts.append(len(seen[1]))
        return decided

    api, kind = written(), Counted({"admit": admit})
    async with greeting_engine(kind, api=api) as engine:
        _meanwhile(api, lambda: engine, _another_card(api))
        await until("the status", lambda: api.said == "hi")
        await engine.at_rest()
        assert (len(kind.passes), counts) == (1, [0, 2])


async def test_a_change_that_needs_an_action_gets_a_further_pass() -> None:
    """Somebody has changed the card: it is deleted and recreated."""
    api, kind = written(), Counted()

    def change() -> None:
        known = api.there[CARD_PATH]
        api.replace(CARD_PATH, {**known, "data": {"text": "changed"}})

    async with greeting_engine(kind, api=api) as engine:
        _meanwhile(api, lambda: engine, change)
        await until("the card as it should be", lambda: api.count(MADE) == 2)
        await engine.at_rest()
        assert api.there[CARD_PATH]["data"] == {"text": "hi"}


async def test_the_time_of_the_plan_after_the_writes_counts() -> None:
    """Only once the card exists does the plan say when to look again; no event does."""
    soon = 0.01

    def plan(seen: Seen) -> Todo:
        decided = plan_of_greetings(seen)
        return replace(decided, requeue_after=soon) if seen[1] else decided

    api, kind = written(), Counted({"plan": plan})
    async with greeting_engine(kind, api=api) as engine:
        _then_seen(api, lambda: engine)
        await until("looks without anything new", lambda: len(kind.passes) >= 4)
        assert engine.writes == [MADE, REPORTED]


async def test_a_term_that_begins_during_a_pass_causes_another_pass() -> None:
    """Another operator may have led meanwhile."""
    api, kind = written(), Counted()
    async with greeting_engine(kind, api=api) as engine:

        def lead_again() -> None:
            engine.loop.queue.pause()
            engine.loop.election.term += 1
            engine.loop.queue.start()

        _meanwhile(api, lambda: engine, lead_again)
        await until("the pass of the new term", lambda: len(kind.passes) == 2)
