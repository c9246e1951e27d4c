"""Token mode: who makes the token, who gets it, and who never does."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from msgspec.structs import asdict, replace

from rayfleet.engine.outcome import Failed, NotTried, Succeeded
from rayfleet.kinds.raycluster.manifests import auth_secret_name
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import CreatePod, CreateSecret, Plan, plan
from rayfleet.kinds.raycluster.sources.auth_secret import create_auth_secret
from rayfleet.kinds.raycluster.sources.tokens import REREAD_SECONDS, ClusterTokens, NoToken, Token
from rayfleet.kinds.raycluster.status import compute_status, events_of
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.objects.roots import Root
from support.builders import cluster, head, parsed, snapshot, spec, worker
from support.manifest_samples import built_head, built_worker, environment, ray
from support.manifest_samples import spec as sample
from support.wire import Answering, Wire, fails, says, wire

TOKEN = "s3cret-of-a-cluster"  # noqa: S105 - of no cluster that there is
SECRETS = "/api/v1/namespaces/ml/secrets"
KUBERNETES = {"mode": "token", "enableK8sTokenAuth": True}


def with_token(**auth: Any) -> Root:
    return cluster(spec(authOptions={"mode": "token", **auth}))


def make_secret(of: Root) -> CreateSecret:
    (action,) = (a for a in plan(snapshot(of)).actions if isinstance(a, CreateSecret))
    return action


@asynccontextmanager
async def talking(*answers: Answering) -> AsyncIterator[tuple[Wire, KubeClient]]:
    async with wire(*answers) as server, KubeClient(Credentials(server.url)) as client:
        yield server, client


@pytest.mark.parametrize(("auth", "secret"), [({}, "demo"), ({"secretName": "mine"}, "mine")])
def test_every_ray_container_gets_the_token_from_the_secret(auth: dict[str, Any], secret: str) -> None:
    """It also gets the mode."""
    of = sample(authOptions={"mode": "token", **auth})
    for body in (built_head(of), built_worker(of)):
        variables = environment(ray(body))
        assert variables["RAY_AUTH_MODE"] == "token"
        assert variables["RAY_AUTH_TOKEN"] == {"secretKeyRef": {"name": secret, "key": "auth_token"}}
        assert not any("RAY_AUTH" in str(c) for c in body["spec"].get("initContainers", ()))


OWN_TOKEN = {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "k"}}}


def with_env(*variables: dict[str, Any], **auth: Any) -> dict[str, Any]:
    """Fields of a spec whose head and workers have these variables in their templates."""
    group = {"template": {"spec": {"containers": [{"name": "ray", "env": list(variables)}]}}}
    return {"head": group, "worker": group, "authOptions": {"mode": "token", **auth}}


@pytest.mark.parametrize(
    "own",
    [
        {"name": "RAY_AUTH_TOKEN", "value": "theirs"},
        OWN_TOKEN,
        {"name": "RAY_AUTH_MODE", "value": "disabled"},
    ],
)
def test_a_templates_own_token_and_mode_win(own: dict[str, Any]) -> None:
    """A variable is set once; the other of the two is the cluster's."""
    of = sample(**with_env(own))
    for body in (built_head(of), built_worker(of)):
        variables = environment(ray(body))
        assert variables[own["name"]] == own.get("value", own.get("valueFrom"))
        assert {"RAY_AUTH_TOKEN", "RAY_AUTH_MODE"} <= variables.keys()
        assert [variable["name"] for variable in ray(body)["env"]].count(own["name"]) == 1


def test_with_kubernetes_tokens_ray_finds_the_token_of_its_pod() -> None:
    """No Secret is named, and none is created."""
    of = sample(authOptions=KUBERNETES)
    for body in (built_head(of), built_worker(of)):
        variables, container = environment(ray(body)), ray(body)
        assert (variables["RAY_AUTH_MODE"], variables["RAY_ENABLE_K8S_TOKEN_AUTH"]) == ("token", "true")
        assert "RAY_AUTH_TOKEN" not in variables
        (mount,) = (m for m in container["volumeMounts"] if m["name"] == "ray-token")
        assert mount["mountPath"] == "/var/run/secrets/ray.io/serviceaccount"
        (volume,) = (v for v in body["spec"]["volumes"] if v["name"] == "ray-token")
        assert volume["projected"]["sources"] == [{"serviceAccountToken": {"path": "token"}}]


def test_without_tokens_no_pod_has_auth_variables_and_no_secret_is_created() -> None:
    variables = environment(ray(built_head(sample())))
    assert not any("AUTH" in name for name in variables)
    assert not any(isinstance(a, CreateSecret) for a in plan(snapshot(cluster())).actions)


def test_the_secret_is_created_before_any_pod_and_the_plan_has_no_token() -> None:
    """It has a stage of its own: a pod that starts without it would wait for it."""
    decided = plan(snapshot(with_token()))
    (first,) = decided.stages[0]
    assert isinstance(first, CreateSecret)
    assert first.name == "demo"
    assert first.body["metadata"]["ownerReferences"][0]["kind"] == "RayCluster"
    assert not {"data", "stringData"} & set(first.body)
    assert any(isinstance(a, CreatePod) for stage in decided.stages[1:] for a in stage)


def pods_and_secrets(decided: Plan) -> tuple[int, int]:
    actions = decided.actions
    pods = sum(isinstance(a, CreatePod) for a in actions)
    return pods, sum(isinstance(a, CreateSecret) for a in actions)


def test_the_secret_is_ensured_once_per_process_and_with_every_head() -> None:
    """Not at rest: the running head would refuse a later token."""
    of = with_token()
    whole = [head(of), *(worker(of, n) for n in (1, 2, 3))]
    assert pods_and_secrets(plan(snapshot(of, whole))) == (0, 0)
    assert pods_and_secrets(plan(snapshot(of, whole[:2]))) == (2, 1)
    assert pods_and_secrets(plan(snapshot(of, whole[:2], auth_secret_made=True))) == (2, 0)
    assert pods_and_secrets(plan(snapshot(of, whole[1:], auth_secret_made=True))) == (1, 1)


@pytest.mark.parametrize("auth", [{"secretName": "mine"}, KUBERNETES])
def test_a_secret_of_the_user_is_not_created(auth: dict[str, Any]) -> None:
    assert pods_and_secrets(plan(snapshot(with_token(**auth)))) == (4, 0)


def test_the_name_of_a_long_cluster_is_cut_from_the_front() -> None:
    """To fifty characters, starting with a letter, as KubeRay does it."""
    of = cluster(name="abc-" + "x" * 49)
    assert auth_secret_name(of, parsed(of.spec)) == "r" + "x" * 49


async def test_a_token_is_random_and_only_sent() -> None:
    """Two clusters have two, and no outcome, event or status contains either."""
    of = with_token()
    action = make_secret(of)
    async with talking(says({}, 201)) as (server, client):
        outcomes = [await create_auth_secret(client, of, action) for _ in range(2)]
        sent = [orjson.loads(request.body)["stringData"]["auth_token"] for request in server.requests]
    assert len(set(sent)) == 2
    assert all(re.fullmatch(r"[\w-]{43}", token) for token in sent)
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)
    shown = snapshot(of, [head(of)])
    status = compute_status(shown, plan(shown), outcomes)
    for words in (
        repr(outcomes),
        repr(asdict(action)),
        repr(status),
        repr(events_of(outcomes, (), {}, status)),
    ):
        assert not any(token in words for token in sent)


async def test_an_existing_secret_of_ours_stays_as_it_is() -> None:
    """Only its metadata is read, not its token."""
    of = with_token()
    ours = {"metadata": {"ownerReferences": [{"uid": of.uid}]}}
    async with talking(fails(409, "AlreadyExists", "exists"), says(ours)) as (server, client):
        outcome = await create_auth_secret(client, of, make_secret(of))
        assert isinstance(outcome, Succeeded)
        assert [request.method for request in server.requests] == ["POST", "GET"]
        assert "PartialObjectMetadata" in server.requests[1].headers["accept"]


async def test_a_secret_of_somebody_elses_is_not_used() -> None:
    """An event and a condition name the remedy."""
    of = with_token()
    theirs = {"metadata": {"ownerReferences": [{"uid": "another"}]}}
    async with talking(fails(409, "AlreadyExists", "exists"), says(theirs)) as (_, client):
        outcome = await create_auth_secret(client, of, make_secret(of))
    (event,) = events_of([outcome], (), {}, {})
    assert event.reason == "FailedToCreateSecret"
    assert event.note == (
        "Secret demo: Secret demo exists and does not belong to this cluster: remove it,"
        " or name a Secret of your own in spec.authOptions.secretName"
    )
    shown = snapshot(of)
    conditions = compute_status(shown, plan(shown), [outcome])["conditions"]
    assert "FailedCreateSecret" in [condition["reason"] for condition in conditions]


async def test_a_refusal_that_repeats_what_it_was_shown_does_not_give_the_token_away() -> None:
    """A webhook may put anything into its message."""

    async def repeats(writer: asyncio.StreamWriter) -> None:
        sent = orjson.loads(server.requests[-1].body)["stringData"]["auth_token"]
        await fails(403, "Forbidden", f"not with {sent}")(writer)

    of = with_token()
    async with talking(repeats) as (server, client):
        outcome = await create_auth_secret(client, of, make_secret(of))
    assert isinstance(outcome, Failed)
    assert outcome.failure.message.startswith("not with ...; or name a Secret of your own")


def test_a_process_remembers_that_the_secret_exists() -> None:
    memory, action = ClusterMemory(), make_secret(with_token())
    memory.learn([NotTried(action)], now=0.0)
    assert not memory.auth_secret_made
    memory.learn([Succeeded(action)], now=0.0)
    assert memory.auth_secret_made


class Tokens:
    """A reader of tokens whose clock the test moves."""

    def __init__(self, client: KubeClient) -> None:
        self.now = 0.0
        self.reader = ClusterTokens(client, lambda: self.now)

    async def of(self, owner: Root) -> Token | NoToken | None:
        return await self.reader.token(owner, parsed(owner.spec))


def with_head_env(*variables: dict[str, Any]) -> Root:
    template = with_env(*variables)["head"]["template"]
    return cluster(spec(headGroupSpec={"template": template}, authOptions={"mode": "token"}))


async def test_the_head_is_asked_with_the_token_that_its_own_template_names() -> None:
    """It may come from another Secret and key, or stand in the template: the cluster's would be refused."""
    data = {"k": base64.b64encode(TOKEN.encode()).decode()}
    async with talking(says({"data": data})) as (server, client):
        assert await Tokens(client).of(with_head_env(OWN_TOKEN)) == Token(TOKEN)
        assert await Tokens(client).of(with_head_env(OWN_TOKEN | {"value": "", "valueFrom": {}})) != Token("")
        plain = with_head_env({"name": "RAY_AUTH_TOKEN", "value": TOKEN})
        assert await Tokens(client).of(plain) == Token(TOKEN)
        assert [request.target for request in server.requests] == [f"{SECRETS}/mine"]


@pytest.mark.parametrize(
    "own",
    [
        {"value": "$(FROM_ANOTHER)"},
        {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"valueFrom": {"secretKeyRef": {"name": "s"}}},
        {"value": "zwei\nZeilen"},
        {},
    ],
)
async def test_a_token_that_only_the_pod_can_read_is_reported(own: dict[str, Any]) -> None:
    """Nothing else is sent in its place."""
    async with talking(says({})) as (server, client):
        found = await Tokens(client).of(with_head_env({"name": "RAY_AUTH_TOKEN", **own}))
        assert isinstance(found, NoToken)
        assert "RAY_AUTH_TOKEN" in found.message
        assert not server.requests


@pytest.mark.parametrize("name", ["../../b/secrets/x", "..", "x?y", "X", "a" * 254, "a/b", "a%2Fb"])
async def test_an_invalid_secret_name_is_not_requested(name: str) -> None:
    """A name in a tenant's manifest leads to one Secret of its namespace, or nowhere."""
    own = {"name": "RAY_AUTH_TOKEN", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}
    async with talking(says({})) as (server, client):
        for owner in (with_head_env(own), with_token(secretName=name)):
            assert isinstance(await Tokens(client).of(owner), NoToken)
        assert not server.requests


def secret(token: str) -> Answering:
    return says({"data": {"auth_token": base64.b64encode(token.encode()).decode()}})


async def test_a_token_is_read_once_and_again_when_it_was_refused() -> None:
    """It is read by name, at most every ten seconds."""
    of = with_token(secretName="mine")
    async with talking(secret(TOKEN), secret("another")) as (server, client):
        tokens = Tokens(client)
        assert await tokens.of(of) == await tokens.of(of) == Token(TOKEN)
        tokens.reader.refused(of.key)
        assert await tokens.of(of) == Token(TOKEN)
        tokens.now = REREAD_SECONDS
        assert await tokens.of(of) == Token("another")
        assert [request.target for request in server.requests] == [f"{SECRETS}/mine"] * 2


async def test_a_cluster_that_was_recreated_has_another_token() -> None:
    """It has the same name; and the token of a deleted one is forgotten."""
    of = with_token()
    async with talking(secret(TOKEN), secret("another"), secret("third")) as (_, client):
        tokens = Tokens(client)
        await tokens.of(of)
        assert await tokens.of(replace(of, uid="other")) == Token("another")
        tokens.reader.forget(of.key)
        assert await tokens.of(of) == Token("third")


def test_a_token_is_not_in_any_representation() -> None:
    assert TOKEN not in f"{Token(TOKEN)} {Token(TOKEN)!r}"


WITHOUT = [
    pytest.param(fails(404, "NotFound", 'secrets "demo" not found'), "not found", id="no Secret"),
    pytest.param(fails(403, "Forbidden", "no right"), "no right", id="no right"),
    pytest.param(says({}), "no token under the key auth_token", id="no data"),
    pytest.param(says({"data": {"auth_token": "%"}}), "no token under the key", id="no base64"),
    pytest.param(secret("  \n"), "no token under the key", id="blank"),
    pytest.param(secret("two\nlines"), "no token under the key", id="two lines"),
    pytest.param(secret("ä"), "no token under the key", id="no ASCII"),
]


@pytest.mark.parametrize(("answer", "words"), WITHOUT)
async def test_a_missing_token_is_reported_with_its_reason(answer: Answering, words: str) -> None:
    """It is read again after a while, not with every poll."""
    of = with_token()
    async with talking(answer, secret(TOKEN)) as (server, client):
        tokens = Tokens(client)
        found = await tokens.of(of)
        assert isinstance(found, NoToken)
        assert words in found.message
        assert await tokens.of(of) == found
        assert len(server.requests) == 1
        tokens.now = REREAD_SECONDS
        assert await tokens.of(of) == Token(TOKEN)


async def test_a_secret_that_cannot_be_read_is_looked_for_again_unasked_but_ever_less_often() -> None:
    """Nothing reports when it is fixed; a cluster whose token is in order is not looked at for that."""
    of = with_token()
    missing = fails(404, "NotFound", 'secrets "demo" not found')
    async with talking(*([missing] * 6), secret(TOKEN)) as (server, client):
        tokens = Tokens(client)
        assert tokens.reader.again_in(of.key) is None
        waits = []
        for _ in range(6):
            await tokens.of(of)
            waits.append(tokens.reader.again_in(of.key))
            tokens.now += waits[-1] or 0.0
        assert waits == [10.0, 20.0, 40.0, 80.0, 80.0, 80.0]
        assert await tokens.of(of) == Token(TOKEN)
        assert len(server.requests) == 7
        assert isinstance(await tokens.of(cluster(spec(authOptions=KUBERNETES))), NoToken)
        assert tokens.reader.again_in(of.key) is None, "no Secret is read any longer"


async def test_without_need_no_token_is_read_and_our_own_is_never_sent() -> None:
    """With Kubernetes tokens the head would get the operator's own rights."""
    async with talking(says({})) as (server, client):
        tokens = Tokens(client)
        assert await tokens.of(cluster()) is None
        refusal = await tokens.of(with_token(enableK8sTokenAuth=True))
        assert isinstance(refusal, NoToken)
        assert refusal.message.startswith("spec.authOptions.enableK8sTokenAuth: ")
        assert server.requests == []
