"""When the engine writes a status, and its reaction to each answer, with a kind for tests."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.children import Stores
from rayfleet.engine.kind import Kind
from rayfleet.kube.objects.keys import Key
from support.greeting_api import (
    CARD_PATH,
    CARDS,
    GREETING,
    KEY,
    MADE,
    REPORTED,
    STATUS,
    card,
    greeting_engine,
    hurry_engine,
    written,
)
from support.greeting_kind import CONFIG_MAPS, GREETINGS, greetings
from support.scripted_api import not_there
from support.scripted_watch import until
from support.wire import fails

LATER = fails(503, "ServiceUnavailable", "etcd is away")
OTHER = GREETINGS.path("ml", "other")
CONFLICT = fails(409, "Conflict", "the object has been modified")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry_engine(monkeypatch)


async def test_a_status_that_could_not_be_written_is_written_later() -> None:
    """The pass is repeated; nothing is created twice."""
    api = written()
    api.answers["PATCH", STATUS] = LATER
    async with greeting_engine(api=api) as engine:
        await until("the status", lambda: api.said == "hi")
        assert engine.writes == [MADE, REPORTED, REPORTED]


async def test_a_status_that_somebody_else_wrote_first_is_decided_again() -> None:
    """After the conflict the object is read, and the next status is about its current state."""
    api = written()

    async def conflict(writer: asyncio.StreamWriter) -> None:
        api.replace(GREETING, {**api.there[GREETING], "status": {"said": "", "theirs": True}})
        await CONFLICT(writer)

    api.answers["PATCH", STATUS] = conflict
    async with greeting_engine(api=api) as engine:
        await until("the status", lambda: api.said == "hi")
        assert engine.writes == [MADE, REPORTED, REPORTED]


async def test_after_a_conflict_a_root_that_cannot_be_read_is_tried_again() -> None:
    """The next pass uses the view of the caches."""
    api = written()

    async def conflict(writer: asyncio.StreamWriter) -> None:
        api.answers["GET", GREETING] = LATER
        await CONFLICT(writer)

    api.answers["PATCH", STATUS] = conflict
    async with greeting_engine(api=api) as engine:
        await until("the status", lambda: api.said == "hi")
        assert engine.writes == [MADE, REPORTED, REPORTED]


async def test_a_status_that_finds_its_root_gone_is_not_a_failure() -> None:
    """No object is left to write it to; the deletion is about to be seen."""
    api = written()
    api.answers["PATCH", STATUS] = not_there("greetings", "hello")
    async with greeting_engine(api=api) as engine:
        await until("the write", lambda: REPORTED in engine.writes)
        await engine.at_rest()
        assert engine.loop.queue.retries == 0


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        (lambda api: api.replace(CARD_PATH, card("theirs")), ["theirs"]),
        (lambda api: api.write("hi", labels={"team": "blue"}), ["hi"]),
        (lambda api: api.remove(GREETING), ["hi"]),
    ],
    ids=["its child is another", "its root is", "its root is gone"],
)
async def test_a_status_that_waited_for_its_turn_is_computed_when_it_is_written(
    meanwhile: Any,  # noqa: ANN401 - an action of somebody else
    expected: list[str],
) -> None:
    """Creates of others go first, and its content may have changed by then."""
    api, go_on, over, planned = written(), asyncio.Event(), asyncio.Event(), list[Key]()

    def kind(stores: Stores) -> Kind[Any, Any, Any]:
        return replace(greetings(stores), planned=lambda key, _: planned.append(key))

    async def first(writer: asyncio.StreamWriter) -> None:
        request = api.requests[-1]
        api.write("good evening", name="other")
        await until("the plan for it", lambda: Key("Greeting", "ml", "other") in planned)
        await asyncio.sleep(0.01)  # Its create follows without a look, as it has just been made.
        api.answers["POST", CARDS] = second
        await api.usual(request, CARDS)(writer)

    async def second(writer: asyncio.StreamWriter) -> None:
        request = api.requests[-1]
        go_on.set()
        await over.wait()
        await api.usual(request, CARDS)(writer)

    api.answers["POST", CARDS] = first
    async with greeting_engine(kind, api=api, concurrency=1) as engine:
        await asyncio.wait_for(go_on.wait(), 5)
        version = api.version
        meanwhile(api)
        await until("it to be seen", lambda: _seen(engine.loop.stores, version))
        over.set()
        await until("the other's status", lambda: f"PATCH {OTHER}/status" in engine.writes)
        await engine.at_rest()
        assert [body["status"]["said"] for body in api.bodies("PATCH", "hello/status")][:1] == expected
        assert engine.loop.queue.retries == 0


def _seen(stores: Any, version: int) -> bool:  # noqa: ANN401 - the engine's caches
    """Whether something newer has been seen, or that the root is gone."""
    root, child = stores.roots["Greeting"].get(KEY), stores.children[CONFIG_MAPS].get("ml", "hello")
    return root is None or root.resource_version > version or child.resource_version > version
