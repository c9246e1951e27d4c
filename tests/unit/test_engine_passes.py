"""What follows a pass of the engine, with a kind for tests; and passes that fail."""

import asyncio
import logging
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.actions import Handled
from rayfleet.engine.children import Stores
from rayfleet.engine.event import Event
from rayfleet.engine.kind import Kind
from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import ApiFailure
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root
from support.acting import CREATE, Act, Acting, Acts, posts
from support.greeting_api import (
    CARD_PATH,
    CARDS,
    GREETING,
    KEY,
    MADE,
    REPORTED,
    card,
    greeting_engine,
    hurry_engine,
    written,
)
from support.greeting_kind import Seen, Todo, greetings
from support.greeting_kind import plan as plan_of_greetings
from support.scripted_watch import until
from support.wire import Answering, fails, says

LATER = fails(503, "ServiceUnavailable", "etcd is away")
OVER = Event("Normal", "Greeted", "Greet", "all is said")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry_engine(monkeypatch)


async def test_a_pass_whose_root_goes_meanwhile_posts_its_events_and_writes_no_status() -> None:
    """Whoever deleted it may want to know what was still done."""
    api = written()

    async def then_gone(writer: asyncio.StreamWriter) -> None:
        api.remove(GREETING)
        await until("its end to be seen", lambda: KEY not in engine.loop.stores.roots["Greeting"])
        await says(card(), 201)(writer)

    api.answers["POST", CARDS] = then_gone
    kind = Acting(Acts(first=(CREATE,)), {"events": posts(OVER)})
    async with greeting_engine(kind, api=api) as engine:
        await until("the event", lambda: api.bodies("POST", "/events"))
        await engine.at_rest()
        assert engine.writes == [MADE]
        (event,) = api.bodies("POST", "/events")
        assert (event["reason"], event["note"]) == ("Greeted", "all is said")


async def test_a_root_that_is_recreated_while_it_is_acted_on_is_another_one() -> None:
    """Nothing of the pass is written to it."""
    api = written()

    async def then_another(writer: asyncio.StreamWriter) -> None:
        api.remove(GREETING)
        api.write("welcome", uid="uid-another")
        roots = engine.loop.stores.roots["Greeting"]
        await until("the other one", lambda: (found := roots.get(KEY)) and found.uid == "uid-another")
        await says(card(), 201)(writer)

    api.answers["POST", CARDS] = then_another
    kind = Acting(Acts(first=(CREATE,)))
    async with greeting_engine(kind, api=api) as engine:
        await until("its own pass", lambda: len(kind.passes) >= 2)
        assert all(body["metadata"]["uid"] == "uid-another" for body in api.bodies("PATCH", "/status"))


async def test_a_spec_that_changes_while_it_is_acted_on_is_looked_at_at_once() -> None:
    """What was made for the old spec is then recreated."""
    api = written()

    async def then_changed(writer: asyncio.StreamWriter) -> None:
        api.write("welcome", generation=2)
        roots = engine.loop.stores.roots["Greeting"]
        await until("the change to be seen", lambda: roots.generation(KEY) == 2)
        await api.usual(api.requests[-1], CARDS)(writer)

    api.answers["POST", CARDS] = then_changed
    async with greeting_engine(api=api) as engine:
        await until("the new card", lambda: api.there.get(CARD_PATH, {}).get("data") == {"text": "welcome"})
        await until("the status", lambda: api.said == "welcome")
        texts = [body["data"]["text"] for body in api.bodies("POST", "/configmaps")]
        assert texts == ["hi", "welcome"]


@pytest.mark.parametrize(
    "changes",
    [
        {"follow": "soon"},
        {"waits": lambda *_: (0.01,)},
        {"waits": lambda *_: (-5.0,), "shortest_wait": lambda _: 0.01},
        {},
    ],
    ids=["to pass it on again", "by the kind's own clock", "no sooner than its pace", "by the plan"],
)
async def test_the_next_pass_of_a_root_is_at_the_earliest_of_its_times(
    changes: dict[str, Any],
) -> None:
    async def soon(*_: object) -> float:
        return 0.01

    own = {name: soon if change == "soon" else change for name, change in changes.items()}
    kind = Acting(Acts(first=(CREATE,), requeue_after=60.0 if changes else 0.01), own)
    async with greeting_engine(kind, api=written()) as engine:
        await until("looks without anything new", lambda: kind.plans >= 6)
        assert len(kind.passes) == 1
        assert engine.writes == [MADE, REPORTED]


@pytest.mark.parametrize("patient", [True, False])
async def test_a_failure_that_its_kind_expects_is_waited_out(*, patient: bool) -> None:
    """The pass is not repeated with a backoff."""
    changes = {"is_patient": lambda _: patient, "waits": lambda *_: (0.02,)}
    api, kind = written(), Acting(Acts(first=(CREATE,)), changes)
    api.answers["POST", CARDS] = fails(403, "Forbidden", "exceeded quota")
    async with greeting_engine(kind, api=api) as engine:
        await until("the second pass", lambda: len(kind.passes) >= 2)
        assert kind.ways[:2] == [["Failed"], ["Succeeded"]]
        assert engine.loop.queue.retries == (not patient)


@pytest.mark.parametrize(("answer", "again"), [(LATER, True), (fails(403, "Forbidden", "quota"), False)])
async def test_after_a_create_whose_answer_was_lost_the_children_are_listed_again(
    answer: Answering, *, again: bool
) -> None:
    """The child may exist; after a refusal it does not."""
    api, kind = written(), Acting(Acts(first=(CREATE,)))
    api.answers["POST", CARDS] = answer
    async with greeting_engine(kind, api=api):
        await until("the second pass", lambda: len(kind.passes) >= 2)
        assert api.count(f"GET {CARDS}?") == (2 if again else 1)


async def test_a_failed_action_of_another_verb_needs_no_new_list() -> None:
    """Only a child that may have been created is looked for."""

    async def fail(_: Root, action: Act) -> Outcome:
        away = ApiFailure(503, "ServiceUnavailable", "etcd is away")
        return Succeeded(action) if kind.passes else Failed(action, away)

    api = written()
    kind = Acting(Acts(first=(Act(Handled()),)), {"handlers": {Act: fail}})
    async with greeting_engine(kind, api=api):
        await until("the second pass", lambda: len(kind.passes) >= 2)
        assert api.count(f"GET {CARDS}?") == 1


@pytest.mark.parametrize("ours", [True, False])
async def test_a_defect_is_reported_once_for_each_spec_and_the_pass_is_repeated(
    *, ours: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Only for a root that this operator acts on."""
    failed: list[Key] = []

    def plan(_: Seen) -> Todo:
        raise ZeroDivisionError("a defect")

    def kind(stores: Stores) -> Kind[Any, Any, Any]:
        return replace(greetings(stores), plan=plan, fail=failed.append, is_ours=lambda _: ours)

    api = written()
    async with greeting_engine(kind, api=api) as engine:
        await until("three attempts", lambda: len(failed) >= 3)
        reasons = [body["reason"] for body in api.bodies("POST", "/events")]
        assert reasons == ["ReconcileFailed"] * ours
        api.write("welcome", generation=2)
        await until("the next spec", lambda: engine.loop.stores.roots["Greeting"].generation(KEY) == 2)
        tries = len(failed)
        await until("another attempt", lambda: len(failed) > tries + 1)
        assert len(api.bodies("POST", "/events")) == 2 * ours
        assert engine.writes == []
    assert "A pass failed" in caplog.text


async def test_a_defect_that_cannot_be_reported_hides_no_defect(caplog: pytest.LogCaptureFixture) -> None:
    """Both are in the log."""

    def broken(*_: object) -> Any:  # noqa: ANN401 - it returns nothing
        raise ZeroDivisionError("a defect")

    def kind(stores: Stores) -> Kind[Any, Any, Any]:
        return replace(greetings(stores), plan=broken, is_ours=broken)

    async with greeting_engine(kind, api=written()) as engine:
        await until("two attempts", lambda: engine.loop.queue.retries >= 2)
    assert "A failed pass could not be reported" in caplog.text
    assert "A pass failed" in caplog.text


async def test_a_defect_in_a_pass_over_a_root_that_is_gone_is_not_reported() -> None:
    """No object is left to report it on."""
    api = written()

    def forget(_: Key) -> None:
        raise ZeroDivisionError("a defect")

    def kind(stores: Stores) -> Kind[Any, Any, Any]:
        return replace(greetings(stores), forget=forget)

    async with greeting_engine(kind, api=api) as engine:
        await until("the status", lambda: api.said == "hi")
        await engine.at_rest()
        api.remove(GREETING)
        await until("the failure", lambda: engine.loop.queue.retries)
        assert api.bodies("POST", "/events") == []


async def test_a_long_plan_is_made_beside_the_event_loop_and_comes_to_the_same() -> None:
    """Its kind learns how long it took."""
    took: list[float] = []

    def kind(stores: Stores) -> Kind[Any, Any, Any]:
        timed = replace(greetings(stores), planned=lambda _key, seconds: took.append(seconds))
        return replace(timed, is_long=lambda _: True, plan=plan_of_greetings)

    api = written()
    async with greeting_engine(kind, api=api) as engine:
        await until("the status", lambda: api.said == "hi")
        assert engine.writes == [MADE, REPORTED]
        assert took
        assert all(seconds > 0 for seconds in took)


async def test_a_delete_is_repeated_until_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the repetition and its reason once."""
    caplog.set_level(logging.WARNING)
    api = written("new")
    api.there[CARD_PATH] = card("old")
    api.answers["DELETE", CARD_PATH] = LATER
    async with greeting_engine(api=api):
        await until("the status", lambda: api.said == "new")
    assert caplog.text.count("A pass has to be repeated") == 1
    assert api.there[CARD_PATH]["data"] == {"text": "new"}
