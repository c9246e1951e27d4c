"""What the engine checks before a pass writes, with a kind for tests."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.children import Stores
from rayfleet.engine.kind import Check, Guard, Kind
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root
from support.acting import CREATE, Acting, Acts
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
from support.greeting_kind import CONFIG_MAPS, Seen, Todo, greetings
from support.scripted_api import not_there
from support.scripted_watch import until
from support.wire import Answering, fails, says

LATER = fails(503, "ServiceUnavailable", "etcd is away")
NOTHING: dict[str, Any] = {"items": [], "metadata": {"resourceVersion": "999999"}}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry_engine(monkeypatch)


@pytest.mark.parametrize("path", [GREETING, CARDS], ids=["the root", "its children"])
@pytest.mark.parametrize("answer", [LATER, fails(403, "Forbidden", "you may not")], ids=["5xx", "403"])
async def test_nothing_is_written_while_the_root_or_its_children_cannot_be_read(
    path: str, answer: Answering
) -> None:
    """The pass is repeated."""
    api = written()
    api.answers["GET", path] = answer
    async with greeting_engine(api=api) as engine:
        await until("a pass that is to be repeated", lambda: engine.loop.queue.retries)
        assert engine.writes == []
        await until("the status", lambda: api.said == "hi")
        assert engine.writes == [MADE, REPORTED]


async def test_a_root_that_has_changed_unseen_is_not_acted_on_by_its_old_state() -> None:
    """Its watch lags: the live read before the write shows the change, and all is decided again."""
    api = written("old")
    async with greeting_engine(api=api) as engine:
        await until("the status", lambda: api.said == "old")
        await engine.at_rest()
        api.rewrite_unseen("new")
        api.remove(CARD_PATH)
        await until("the new text", lambda: api.said == "new")
        texts = [body["data"]["text"] for body in api.bodies("POST", "/configmaps")]
        assert texts == ["old", "new"]


async def test_a_root_that_is_gone_unseen_is_forgotten_and_gets_no_children() -> None:
    """Only an answer about this very object counts."""
    api, forgotten = written(), list[Key]()
    api.answers["GET", GREETING] = not_there("greetings", "hello")

    def kind(stores: Stores) -> Kind[Any, Any, Any]:
        return replace(greetings(stores), forget=forgotten.append)

    async with greeting_engine(kind, api=api) as engine:
        await until("it to be forgotten", lambda: forgotten)
        assert forgotten == [KEY]
        assert KEY not in engine.loop.stores.roots["Greeting"]
        assert engine.writes == []


@pytest.mark.parametrize(
    ("answer", "writes"),
    [
        (None, ["DELETE", "POST"]),
        (not_there("configmaps", "hello"), ["POST"]),
        (fails(404, "NotFound", "no such API"), None),
        (LATER, None),
    ],
    ids=["it lives", "it is gone", "another 404", "5xx"],
)
async def test_a_child_that_a_list_lacks_is_read_by_its_name(
    answer: Answering | None, writes: list[str] | None
) -> None:
    """Its labels may have changed; it is gone only if the server says so of this object."""
    api = written()
    api.there[CARD_PATH] = card("old")
    api.answers["GET", CARDS] = says(NOTHING)
    if answer is not None:
        api.answers["GET", CARD_PATH] = answer
    async with greeting_engine(api=api) as engine:
        if writes is None:
            await until("a pass that is to be repeated", lambda: engine.loop.queue.retries)
            assert engine.writes == []
            return
        if writes == ["POST"]:
            await until("the look", lambda: api.count(f"GET {CARD_PATH}"))
            api.remove_unseen(CARD_PATH)
        await until("the create", lambda: MADE in engine.writes)
        assert [line.split()[0] for line in engine.writes if "configmaps" in line][: len(writes)] == writes


@pytest.mark.parametrize("first", [True, False], ids=["before the verification", "after it"])
@pytest.mark.parametrize(
    ("answer", "acts"),
    [
        (Check.ASKED, True),
        (Check.NOTHING_ASKED, True),
        (Done(requeue_after=60.0), False),
        (Retry("ask again", at_least=60.0), False),
    ],
    ids=["well", "not asked", "done", "retry"],
)
async def test_a_guard_lets_a_plan_be_carried_out_or_holds_it(
    answer: Check | Done | Retry,
    *,
    acts: bool,
    first: bool,
) -> None:
    """Any result but success ends the pass; it is asked in its turn."""
    asked: list[int] = []
    api = written()

    async def check(root: Root, _: None) -> Check | Done | Retry:
        assert root.key == KEY
        asked.append(api.count(f"GET {GREETING}"))
        return answer

    guard: Guard[None, Seen, Acts] = Guard(
        lambda _seen, plan: bool(plan.actions), check, before_verified=first
    )
    kind = Acting(Acts(first=(CREATE,)), {"guards": (guard,)})
    async with greeting_engine(kind, api=api) as engine:
        await until("the guard to be asked", lambda: asked)
        await engine.at_rest()
        assert (MADE in engine.writes) is acts
        assert asked[0] == (0 if first else 1)
        assert engine.loop.queue.retries == isinstance(answer, Retry)


async def test_a_guard_that_does_not_apply_is_not_asked() -> None:
    async def check(_: Root, __: None) -> Check:
        raise AssertionError("asked")

    guard: Guard[None, Seen, Acts] = Guard(lambda _seen, _plan: False, check)
    kind = Acting(Acts(first=(CREATE,)), {"guards": (guard,)})
    async with greeting_engine(kind, api=written()) as engine:
        await until("a pass", lambda: kind.passes)
        assert MADE in engine.writes


async def test_a_change_that_is_seen_while_a_guard_asks_counts() -> None:
    """A card that somebody has created meanwhile need not be created."""
    api = written()

    async def check(_: Root, __: None) -> Check:
        if CARD_PATH not in api.there:
            api.replace(CARD_PATH, card())
            cards = engine.loop.stores.children[CONFIG_MAPS]
            await until("the card to be seen", lambda: cards.get("ml", "hello"))
        return Check.ASKED

    guard: Guard[None, Seen, Todo] = Guard(lambda _seen, plan: bool(plan.actions), check)

    def kind(stores: Stores) -> Kind[Any, Any, Any]:
        return replace(greetings(stores), guards=(guard,))

    async with greeting_engine(kind, api=api) as engine:
        await until("the status", lambda: api.said == "hi")
        assert engine.writes == [REPORTED]


async def test_a_root_that_goes_while_a_guard_asks_is_left_alone() -> None:
    api = written()

    async def check(_: Root, __: None) -> Check:
        api.remove(GREETING)
        await until("its end to be seen", lambda: KEY not in engine.loop.stores.roots["Greeting"])
        return Check.ASKED

    kind = Acting(Acts(first=(CREATE,)), {"guards": (Guard(lambda _seen, _plan: True, check),)})
    async with greeting_engine(kind, api=api) as engine:
        await until("its end", lambda: GREETING not in api.there)
        await engine.at_rest()
        assert engine.writes == []
