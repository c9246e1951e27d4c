"""What the engine sends for each verb, and the outcome of each answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from rayfleet.engine.actions import (
    Create,
    Delete,
    Handled,
    Patch,
    PatchRoot,
    PatchStatus,
    PutOnFinalizer,
    TakeOffFinalizer,
    Verb,
)
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Succeeded
from rayfleet.kube.objects.roots import Root
from support.acting import Act, Acting, Acts
from support.greeting_api import (
    CARD_PATH,
    CARDS,
    GREETING,
    STATUS,
    GreetingApi,
    card,
    greeting_engine,
    hurry_engine,
    written,
)
from support.greeting_kind import CONFIG_MAPS
from support.scripted_api import not_there
from support.scripted_watch import until
from support.wire import Answering, fails, says

CONFLICT = fails(409, "AlreadyExists", "it is there")
LATER = fails(503, "ServiceUnavailable", "etcd is away")
DENIED = fails(403, "Forbidden", "you may not")


CREATE = Create(CONFIG_MAPS, "hello", card(), "hi", remedy="give it another name")
DELETE = Delete(CONFIG_MAPS, "hello", "uid-card")
PATCH = Patch(CONFIG_MAPS, "hello", "uid-card", {"data": {"text": "hi"}})
GOING = {"deletionTimestamp": "2026-11-30T12:00:12Z"}


@dataclass(frozen=True)
class Case:
    """A verb, what is there, and the answers to the methods of its path."""

    verb: Verb
    way: str
    answers: Mapping[str, Answering] = field(default_factory=dict)
    there: Mapping[str, Any] | None = None
    words: str = ""
    """A part of the failure's message."""


CREATES = {
    "nothing is there": Case(CREATE, "Succeeded"),
    "it is there, ours and the same": Case(CREATE, "Succeeded", there=card()),
    "it is another's": Case(CREATE, "Failed", there=card(ownerReferences=[]), words="give it another name"),
    "it is of another template": Case(
        CREATE, "Failed", there=card(annotations={}), words="give it another name"
    ),
    "it is going": Case(CREATE, "Failed", there=card(**GOING), words="give it another name"),
    "it is gone by now": Case(CREATE, "Failed", {"POST": CONFLICT}, words="not found"),
    "the server is away": Case(CREATE, "Failed", {"POST": LATER}, words="etcd is away"),
    "any template will do": Case(
        Create(CONFIG_MAPS, "hello", card()), "Succeeded", there=card(annotations={})
    ),
    "there is no remedy": Case(
        Create(CONFIG_MAPS, "hello", card()), "Failed", there=card(ownerReferences=[]), words="it is there"
    ),
}
DELETES = {
    "it is there": Case(DELETE, "Succeeded", there=card()),
    "it is gone": Case(DELETE, "Succeeded"),
    "something on the way says that it is gone": Case(
        DELETE, "Failed", {"DELETE": says(b"404 page not found", 404)}, card(), "404 page not found"
    ),
    "its name is another's by now": Case(DELETE, "Succeeded", there=card(uid="another")),
    "it is refused as it is": Case(DELETE, "Failed", {"DELETE": CONFLICT}, card(), "it is there"),
    "it is going already": Case(DELETE, "Succeeded", {"DELETE": CONFLICT}, card(**GOING)),
    "it is gone while it is looked at": Case(
        DELETE, "Succeeded", {"DELETE": CONFLICT, "GET": not_there("configmaps", "hello")}, card()
    ),
    "it cannot be looked at": Case(
        DELETE, "Failed", {"DELETE": CONFLICT, "GET": LATER}, card(), "etcd is away"
    ),
    "it takes its time": Case(
        DELETE, "Succeeded", {"DELETE": says(card(**GOING, resourceVersion="9999"))}, card()
    ),
}
PATCHES = {
    "it is there": Case(PATCH, "Succeeded", there=card()),
    "another is": Case(PATCH, "Failed", there=card(uid="another"), words="somebody has written first"),
    "it may not be": Case(PATCH, "Failed", {"PATCH": DENIED}, card(), "you may not"),
}
CASES = [
    pytest.param(case, id=f"{verb}: {what}")
    for verb, cases in (("create", CREATES), ("delete", DELETES), ("patch", PATCHES))
    for what, case in cases.items()
]


def only(outcomes: tuple[Outcome, ...]) -> Outcome:
    (outcome,) = outcomes
    return outcome


def words_of(outcome: Outcome) -> str:
    return outcome.failure.message if isinstance(outcome, Failed) else ""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry_engine(monkeypatch)


@pytest.mark.parametrize("case", CASES)
async def test_each_answer_to_a_write_of_a_child_has_its_outcome(case: Case) -> None:
    """It is done, or failed with the message of whoever refused it."""
    api, kind = written(), Acting(Acts(first=(Act(case.verb),)))
    if case.there is not None:
        api.there[CARD_PATH] = case.there
    for method, answer in case.answers.items():
        api.answers[method, CARDS if method == "POST" else CARD_PATH] = answer
    async with greeting_engine(kind, api=api) as engine:
        await until("a pass", lambda: kind.passes)
        outcome = only(kind.passes[0])
        assert type(outcome).__name__ == case.way
        assert case.words in words_of(outcome)
        assert engine.outcomes[0] is outcome


async def test_a_deleted_child_counts_as_terminating_at_once() -> None:
    """The answer to the delete shows it before the watch does."""
    kind = Acting(Acts(first=(Act(DELETE),)))
    api = written()
    api.answers["DELETE", CARD_PATH] = says(card(**GOING, resourceVersion="9999"))
    async with greeting_engine(kind, api=api) as engine:
        await until("a pass", lambda: kind.passes)
        kept = engine.loop.stores.children[CONFIG_MAPS].get("ml", "hello")
        assert kept is not None
        assert kept.resource_version == 9999


NEWER = {
    "apiVersion": "example.com/v1",
    "kind": "Greeting",
    "metadata": {
        "name": "hello",
        "namespace": "ml",
        "uid": "uid-hello",
        "generation": 2,
        "resourceVersion": "9999",
    },
    "spec": {"text": "welcome"},
}
ROOT_PATCH = PatchRoot(({"op": "replace", "path": "/spec/text", "value": "hi"},))
MOVED = fails(422, "Invalid", "the server rejected our request due to an error in our request")


@pytest.mark.parametrize(
    ("answers", "way"),
    [
        ({}, Succeeded),
        ({"PATCH": MOVED}, Failed),
        ({"PATCH": MOVED, "GET": LATER}, Failed),
        ({"PATCH": MOVED, "GET": says(NEWER)}, NotTried),
    ],
    ids=["it is as it was", "nobody has written", "it cannot be looked at", "somebody has written first"],
)
async def test_a_patch_of_the_spec_applies_only_to_the_object_that_was_seen(
    answers: dict[str, Answering], way: type[Outcome]
) -> None:
    """Where somebody has written first nothing has failed: all is decided again."""
    api = GreetingApi()

    async def now(_: Root, __: Act) -> Outcome:
        for method, answer in answers.items():
            api.answers[method, GREETING] = answer
        return Succeeded(Act(Handled()))

    acts = Acts(stages=((Act(Handled()),), (Act(ROOT_PATCH),)))
    kind = Acting(acts, {"handlers": {Act: now}})
    api.write("hi")
    async with greeting_engine(kind, api=api):
        await until("a pass", lambda: kind.passes)
        assert type(kind.passes[0][1]) is way
        test, operation = api.bodies("PATCH", "/hello")[0]
        assert (test["op"], test["path"]) == ("test", "/metadata/resourceVersion")
        assert operation == ROOT_PATCH.operations[0]


async def test_a_status_in_a_plan_replaces_only_the_one_that_was_seen() -> None:
    """With its uid and its resourceVersion; a conflict is a failure, and the next pass decides again."""
    kind = Acting(Acts(first=(Act(PatchStatus({"epoch": 1})),)))
    api = written()
    api.answers["PATCH", STATUS] = fails(409, "Conflict", "the object has been modified")
    async with greeting_engine(kind, api=api):
        await until("the second pass", lambda: len(kind.passes) >= 2)
        assert kind.ways[:2] == [["Failed"], ["Succeeded"]]
        first = api.bodies("PATCH", "/status")[0]
        assert first["metadata"]["uid"] == "uid-hello"
        assert int(first["metadata"]["resourceVersion"]) <= api.version
        assert first["status"] == {"epoch": 1}


HOLD, REMOVE = "example.com/hold", {"op": "remove", "path": "/metadata/finalizers/1"}


@pytest.mark.parametrize(
    ("finalizers", "answers", "way", "patches"),
    [
        (["other", HOLD], {}, "Succeeded", 1),
        (["other"], {}, "Succeeded", 0),
        (["other", HOLD], {"GET": LATER}, "Failed", 0),
        (["other", HOLD], {"GET": not_there("greetings", "hello")}, "Succeeded", 0),
        (["other", HOLD], {"PATCH": not_there("greetings", "hello")}, "Succeeded", 1),
        (["other", HOLD], {"PATCH": MOVED}, "Succeeded", 2),
        (["other", HOLD], {"PATCH": DENIED}, "Failed", 1),
    ],
    ids=["it is there", "it is not", "5xx", "gone", "gone by now", "somebody has written first", "403"],
)
async def test_a_finalizer_is_removed_from_the_current_object(
    finalizers: list[str], answers: dict[str, Answering], way: str, patches: int
) -> None:
    """No other one is removed; if it is already gone, the action succeeds."""
    api = written(finalizers=finalizers)

    async def now(_: Root, __: Act) -> Outcome:
        for method, answer in answers.items():
            api.answers[method, GREETING] = answer
        return Succeeded(Act(Handled()))

    off = Act(TakeOffFinalizer(HOLD, "ask an administrator"))
    kind = Acting(Acts(stages=((Act(Handled()),), (off,))), {"handlers": {Act: now}})
    async with greeting_engine(kind, api=api):
        await until("a pass", lambda: kind.passes)
        assert kind.ways[0] == ["Succeeded", way]
        sent = api.bodies("PATCH", "/hello")
        assert [patch[-1] for patch in sent[:patches]] == [REMOVE] * patches
        assert patches or not sent
        assert ("ask an administrator" in words_of(kind.passes[0][1])) is (answers.get("PATCH") is DENIED)


ADD = {"op": "add", "path": "/metadata/finalizers/-", "value": HOLD}
FIRST = {"op": "add", "path": "/metadata/finalizers", "value": [HOLD]}


@pytest.mark.parametrize(
    ("finalizers", "answers", "way", "patches"),
    [
        (["other"], {}, "Succeeded", [ADD]),
        ([], {}, "Succeeded", [FIRST]),
        (["other", HOLD], {}, "Succeeded", []),
        (["other"], {"GET": LATER}, "Failed", []),
        (["other"], {"GET": not_there("greetings", "hello")}, "Succeeded", []),
        (["other"], {"PATCH": MOVED}, "Succeeded", [ADD, ADD]),
        (["other"], {"PATCH": DENIED}, "Failed", [ADD]),
    ],
    ids=[
        "there are others",
        "there is none",
        "it is there",
        "5xx",
        "gone",
        "somebody has written first",
        "403",
    ],
)
async def test_a_finalizer_is_added_to_the_current_object(
    finalizers: list[str], answers: dict[str, Answering], way: str, patches: list[dict[str, Any]]
) -> None:
    """Those of others stay: which they are is read from the object as it is at that moment."""
    api = written(finalizers=finalizers)

    async def now(_: Root, __: Act) -> Outcome:
        for method, answer in answers.items():
            api.answers[method, GREETING] = answer
        return Succeeded(Act(Handled()))

    on = Act(PutOnFinalizer(HOLD))
    kind = Acting(Acts(stages=((Act(Handled()),), (on,))), {"handlers": {Act: now}})
    async with greeting_engine(kind, api=api):
        await until("a pass", lambda: kind.passes)
        assert kind.ways[0] == ["Succeeded", way]
        sent = api.bodies("PATCH", "/hello")
        assert [patch[-1] for patch in sent[: len(patches)]] == patches
        assert all(patch[0]["path"] == "/metadata/resourceVersion" for patch in sent)
        assert patches or not sent


async def test_after_a_create_that_fails_the_rest_of_its_batch_is_not_sent() -> None:
    """Nor is a later stage; last actions and other batches are."""
    batch = [Act(Create(CONFIG_MAPS, name, card(name=name), batch="gpu")) for name in ("a", "b", "c")]
    other = Act(Create(CONFIG_MAPS, "d", card(name="d"), batch="cpu"))
    after, last = Act(Create(CONFIG_MAPS, "e", card(name="e"))), Act(Create(CONFIG_MAPS, "f", card(name="f")))
    kind = Acting(Acts(stages=((*batch, other), (after,)), last=(last,)))
    api = written()
    api.answers["POST", CARDS] = DENIED
    async with greeting_engine(kind, api=api, concurrency=1):
        await until("a pass", lambda: kind.passes)
        assert kind.ways[0] == ["Failed", "NotTried", "NotTried", "Succeeded", "NotTried", "Succeeded"]
        assert [body["metadata"]["name"] for body in api.bodies("POST", "/configmaps")][:3] == ["a", "d", "f"]


@pytest.mark.parametrize("takes_turn", [True, False])
async def test_an_action_without_a_verb_is_carried_out_by_its_handler(*, takes_turn: bool) -> None:
    """It may take a turn or not; only with a turn it counts as a write."""
    heard: list[str] = []

    async def handle(root: Root, action: Act) -> Outcome:
        heard.append(f"{root.key.name}: {action.reason}")
        return Succeeded(action)

    kind = Acting(Acts(first=(Act(Handled(takes_turn), "said aloud"),)), {"handlers": {Act: handle}})
    async with greeting_engine(kind) as engine:
        engine.api.write("hi")
        await until("a pass", lambda: kind.passes)
        assert heard == ["hello: said aloud"]
        assert (len(engine.outcomes) == 1) is takes_turn


async def test_warnings_about_a_created_object_are_in_its_outcome() -> None:
    api, kind = GreetingApi(), Acting(Acts(first=(Act(CREATE),)))
    api.answers["POST", CARDS] = says(card(), 201, 'Warning: 299 - "unknown field \\"data.texxt\\""')
    async with greeting_engine(kind, api=api):
        api.write("hi")
        await until("a pass", lambda: kind.passes)
        outcome = only(kind.passes[0])
        assert isinstance(outcome, Succeeded)
        assert outcome.warnings == ('unknown field "data.texxt"',)
