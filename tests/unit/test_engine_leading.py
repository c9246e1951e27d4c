"""The engine from its start to its end, with a kind for tests: when it acts, and when another does."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.children import Child, Stores, stores_for
from rayfleet.engine.kind import Kind
from support.greeting_api import (
    CARD_PATH,
    CARDS,
    GREETING,
    KEY,
    LEASE,
    MADE,
    REPORTED,
    GreetingApi,
    greeting_engine,
    hurry_engine,
    written,
)
from support.greeting_kind import CARD, GREETINGS, greetings
from support.scripted_watch import until
from support.wire import fails, says


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry_engine(monkeypatch)


def held_by(holder: str, version: int = 1) -> dict[str, Any]:
    metadata = {"name": "rayfleet-leader", "uid": "uid-lease", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}}


class Noted:
    """A kind that records the calls of the engine."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, object]] = []

    def __call__(self, stores: Stores) -> Kind[Any, Any, Any]:
        return replace(
            greetings(stores),
            begin=lambda key: self.notes.append(("begin", key)),
            forget=lambda key: self.notes.append(("forget", key)),
            changed=lambda key: self.notes.append(("changed", key)),
            lead=lambda: self.notes.append(("lead", None)),
            stand_by=lambda: self.notes.append(("stand by", None)),
            pace=lambda _key, _counts_wait: 0.01,
        )

    def count(self, note: str) -> int:
        return [what for what, _ in self.notes].count(note)


async def test_a_child_is_created_and_reported_once_and_then_nothing_is_written() -> None:
    """Our own writes on the watches cause none."""
    async with greeting_engine() as engine:
        engine.api.write("hi")
        await until("the status", lambda: engine.api.said == "hi")
        await engine.at_rest()
        engine.loop.wake(KEY)
        await engine.at_rest()
        assert engine.writes == [MADE, REPORTED]
        assert list(engine.loop.keys) == [KEY]


async def test_existing_roots_get_a_pass_at_the_start() -> None:
    """Its children are listed before the first write."""
    api = written()
    async with greeting_engine(api=api) as engine:
        await until("the status", lambda: api.said == "hi")
        lines = [line.partition("?")[0] for line in api.asked]
        assert lines.index(f"GET {CARDS}") < lines.index(MADE)
        assert lines.index(f"GET {GREETING}") < lines.index(MADE)
        assert engine.writes == [MADE, REPORTED]


async def test_nothing_is_done_until_the_kind_is_served() -> None:
    """Its CRD may be installed later."""
    api = written()
    api.answers["GET", GREETINGS.root] = says({"resources": [{"name": "others"}]})
    async with greeting_engine(api=api) as engine:
        await until("the first look", lambda: api.count(f"GET {GREETINGS.root}") >= 1)
        api.answers["GET", GREETINGS.root] = fails(404, "NotFound", "the server could not find it")
        assert not engine.loop.served.is_set()
        await until("the status", lambda: api.said == "hi")
        assert engine.loop.served.is_set()
        assert api.count(f"GET {GREETINGS.root}") >= 3


async def test_a_standby_writes_nothing_and_acts_as_soon_as_the_lease_is_free() -> None:
    """It acts on the current text, which may have changed since it started."""
    api = GreetingApi()
    api.there[LEASE] = held_by("another")
    api.write("hi")
    async with greeting_engine(api=api) as engine:
        await until("two looks at the Lease", lambda: api.count(f"GET {LEASE}") >= 2)
        api.write("good evening", generation=2)
        await until("the new text", lambda: engine.loop.stores.roots["Greeting"].generation(KEY) == 2)
        assert (engine.writes, engine.loop.queue.active, engine.loop.election.leading) == ([], 0, False)
        api.there[LEASE] = held_by("", 2)
        await until("the status", lambda: api.said == "good evening")
        assert engine.writes == [MADE, REPORTED]
        assert api.there[CARD_PATH]["data"] == {"text": "good evening"}


async def test_a_leader_that_loses_the_lease_in_the_middle_of_a_pass_writes_no_more() -> None:
    """The answer to its last request comes, and nothing follows: the next term does the rest."""
    api, go_on, noted = GreetingApi(), asyncio.Event(), Noted()

    async def late(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        body = api.bodies("POST", "/configmaps")[0]
        api.there[CARD_PATH] = made = {
            **body,
            "metadata": {**body["metadata"], "namespace": "ml", "uid": "u"},
        }
        made["metadata"]["resourceVersion"] = str(api.version)
        await says(made, 201)(writer)

    api.answers["POST", CARDS] = late
    async with greeting_engine(noted, api=api) as engine:
        api.write("hi")
        await until("the create", lambda: engine.writes == [MADE])
        api.there[LEASE] = held_by("another", 999)
        await until("the loss", lambda: noted.count("stand by") == 1)
        assert not engine.loop.election.leading
        api.version += 1
        go_on.set()
        await until("the end of the pass", lambda: engine.loop.queue.active == 0)
        assert engine.writes == [MADE]
        api.there[LEASE] = held_by("", 1000)
        await until("the status", lambda: api.said == "hi")
        assert engine.loop.election.term == 2
        terms = [what for what, _ in noted.notes if what in {"lead", "begin", "stand by"}]
        assert terms == ["lead", "begin", "stand by", "lead", "begin"]
        assert engine.writes == [MADE, REPORTED]


async def test_a_leader_that_resigns_releases_the_lease() -> None:
    """So another leads at once."""
    async with greeting_engine() as engine:
        await until("it to lead", lambda: engine.loop.election.leading)
        await engine.loop.resign()
        assert engine.api.there[LEASE]["spec"]["holderIdentity"] == ""
        assert not engine.loop.election.leading


async def test_a_running_pass_has_limited_time_when_the_work_stops() -> None:
    """Nothing new begins."""
    api = GreetingApi()
    never = asyncio.Event()

    async def hangs(_: asyncio.StreamWriter) -> None:
        await never.wait()

    api.answers["POST", CARDS] = hangs
    async with greeting_engine(api=api) as engine:
        api.write("hi")
        await until("the create", lambda: engine.writes == [MADE])
        await asyncio.wait_for(engine.loop.stop_work(0.01), 5)
        assert engine.loop.queue.active == 0
        engine.loop.wake(KEY)
        await asyncio.sleep(0.02)
        assert engine.writes == [MADE]


async def test_no_pass_runs_in_a_namespace_that_is_not_listed_yet() -> None:
    """The pass follows once that changes; a root that is gone meanwhile is still forgotten."""
    known, noted = set[str](), Noted()
    async with greeting_engine(noted, is_known=known.__contains__) as engine:
        engine.api.write("hi")
        await until("the greeting", lambda: KEY in engine.loop.stores.roots["Greeting"])
        await engine.at_rest()
        assert (engine.writes, noted.count("begin")) == ([], 0)
        known.add("ml")
        engine.loop.wake_namespace("other")
        await engine.at_rest()
        assert engine.writes == []
        engine.loop.wake_namespace("ml")
        await until("the status", lambda: engine.api.said == "hi")
        known.clear()
        engine.api.remove(GREETING)
        await until("its end to be known", lambda: ("forget", KEY) in noted.notes)


async def test_a_child_that_is_gone_is_recreated_and_its_kind_learns_of_the_change() -> None:
    noted = Noted()
    async with greeting_engine(noted) as engine:
        engine.api.write("hi")
        await until("the status", lambda: engine.api.said == "hi")
        await engine.at_rest()
        before = noted.count("changed")
        engine.api.remove(CARD_PATH)
        await until("another one", lambda: engine.writes.count(MADE) == 2)
        assert noted.count("changed") > before


async def test_mere_progress_of_a_child_causes_a_pass_after_a_while() -> None:
    """All changes until then share the pass; its kind learns of each."""
    noted = Noted()
    patient: Child[Any] = replace(CARD, is_progress=lambda _after, _before: True)
    async with greeting_engine(noted, children=(patient,)) as engine:
        engine.api.write("hi")
        await until("the status", lambda: engine.api.said == "hi")
        await engine.at_rest()
        passes, card = noted.count("begin"), engine.api.there[CARD_PATH]
        engine.api.replace(CARD_PATH, {**card, "data": {"text": "something else"}})
        await until("the next pass", lambda: noted.count("begin") > passes)
        assert ("changed", KEY) in noted.notes
        await until(
            "the text to be right again",
            lambda: engine.api.said == "hi" and engine.writes.count(MADE) == 2,
        )


def test_two_kinds_with_different_definitions_of_one_child_are_refused() -> None:
    """A child has one cache."""
    stores_for((GREETINGS,), (CARD, CARD))
    with pytest.raises(ValueError, match="two kinds follow configmaps in different ways"):
        stores_for((GREETINGS,), (CARD, replace(CARD, optional=True)))


def test_an_object_that_is_not_followed_is_not_cached() -> None:
    """A cache has no use for an answer about such an object."""
    stores = stores_for((GREETINGS,), ())
    stores.keep(CARD.resource, {"metadata": {}})
    assert stores.children == {}
