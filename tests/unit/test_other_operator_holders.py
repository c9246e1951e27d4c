"""Another operator's Lease counts in the namespaces where the account of its holder's pod could act."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.client import Answer
from rayfleet.kube.leases.other_operator.holders import HOLDER_SECONDS, MOST_ACCOUNTS, RIGHTS_SECONDS, Holders

FORBIDDEN = ApiFailure(403, "Forbidden", "you may not")
NOT_SERVED = ApiFailure(404, "NotFound", "the server could not find the requested resource")
AWAY = ApiFailure(0, "NoAnswer", "connection refused")
HOLDER = "kuberay-operator-7d9f_0ac3"
ACCOUNT = "system:serviceaccount:kuberay:operator"


@dataclass
class Api:
    """Answers about pods and rights, and counts the questions."""

    pods: dict[str, Any] = field(default_factory=dict)
    """By path, or a failure for it."""
    rights: set[tuple[str, str]] = field(default_factory=set)
    """User and namespace; an empty namespace means all."""
    failure: ApiFailure | None = None
    asked: list[str] = field(default_factory=list)

    async def get(self, path: str, params: Mapping[str, str] | None = None, /) -> Answer:
        self.asked.append(path)
        if params is not None:
            of = [{**obj, "metadata": {"name": at[len(path) + 1 :]}} for at, obj in self.pods.items()]
            return {"items": of}
        name = path.rpartition("/")[2]
        answer: Answer = self.pods.get(path, ApiFailure(404, "NotFound", "", kind="pods", name=name))
        return answer

    async def request(self, verb: str, path: str, *, body: Mapping[str, Any]) -> Answer:
        assert verb == "review", "a standby may not write, but still asks"
        spec = body["spec"]
        wanted = spec["resourceAttributes"]
        self.asked.append(f"{path.rpartition('/')[2]} {wanted['namespace']}".strip())
        if self.failure is not None:
            return self.failure
        assert (wanted["verb"], wanted["group"], wanted["resource"]) == ("update", "ray.io", "rayclusters")
        user, namespace = spec["user"], wanted["namespace"]
        assert f"system:serviceaccounts:{user.split(':')[2]}" in spec["groups"]
        return {"status": {"allowed": bool({(user, ""), (user, namespace)} & self.rights)}}


def pod(phase: str = "Running", account: str | None = "operator") -> dict[str, Any]:
    return {"spec": {"serviceAccountName": account} if account else {}, "status": {"phase": phase}}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def holders(api: Api, *namespaces: str, named: tuple[str, ...] = (), clock: Clock | None = None) -> Holders:
    return Holders(api, namespaces, named, clock or Clock())


def running(**more: Any) -> Api:
    return Api({"/api/v1/namespaces/kuberay/pods/kuberay-operator-7d9f": pod()}, **more)


async def test_an_operator_that_may_act_everywhere_counts_everywhere() -> None:
    """One review is enough for any number of namespaces."""
    api = running(rights={(ACCOUNT, "")})
    known = holders(api)
    assert known.counts("kuberay", "ml") is None, "not known yet"
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is True
    assert known.counts_somewhere("kuberay") is True
    assert api.asked[1:] == ["subjectaccessreviews"]


async def test_an_operator_of_one_namespace_counts_there_alone() -> None:
    """Each other namespace costs one review, when a pass needs the answer."""
    api = running(rights={(ACCOUNT, "theirs")})
    known = holders(api)
    await known.look({"kuberay": HOLDER}, ())
    assert [known.counts("kuberay", name) for name in ("theirs", "ml")] == [None, None]
    await known.look({"kuberay": HOLDER}, ("theirs", "ml"))
    assert [known.counts("kuberay", name) for name in ("theirs", "ml")] == [True, False]
    assert known.counts_somewhere("kuberay") is True
    questions = len(api.asked)
    await known.look({"kuberay": HOLDER}, ("theirs", "ml"))
    assert len(api.asked) == questions


HOLLOW = {
    "a holder that is no pod": ("nobody", {}),
    "a pod of another namespace": ("kuberay-operator-7d9f_1", {}),
    "a pod that has ended": (HOLDER, {"kuberay-operator-7d9f": pod("Succeeded")}),
    "a pod whose account may do nothing": (HOLDER, {"kuberay-operator-7d9f": pod()}),
    "a pod without a word on its account": (HOLDER, {"kuberay-operator-7d9f": pod(account=None)}),
    "a name that would lead elsewhere": ("../../../api/v1/pods_1", {"..": pod()}),
    "a name that is no pod's": ("Kube Ray?x=1_", {}),
}


@pytest.mark.parametrize("case", HOLLOW)
async def test_a_lease_whose_holder_could_not_act_counts_nowhere(case: str) -> None:
    """The right to write Leases in a namespace stops nobody, and the reason is reported."""
    holder, pods = HOLLOW[case]
    api = Api({f"/api/v1/namespaces/kuberay/pods/{name}": each for name, each in pods.items()})
    known = holders(api)
    for _ in range(2):
        await known.look({"kuberay": holder}, ("ml",))
        counts = known.counts("kuberay", "ml")
    assert counts is False
    assert known.counts_somewhere("kuberay") is False
    assert known.why_not("kuberay")
    assert all(path.startswith(("/api/v1/namespaces/kuberay/pods/", "subject")) for path in api.asked)
    assert not any(".." in path or "?" in path for path in api.asked)


async def test_with_a_list_of_namespaces_rights_are_asked_in_each_of_them() -> None:
    """The reviews are namespaced, because there is no right to ask about all."""
    api = running(rights={(ACCOUNT, "red")})
    known = holders(api, "red", "blue")
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert [known.counts("kuberay", name) for name in ("red", "blue")] == [True, False]
    assert sorted(api.asked[1:]) == ["localsubjectaccessreviews blue", "localsubjectaccessreviews red"]


async def test_a_lease_in_a_named_namespace_counts_whoever_holds_it() -> None:
    """The operator may run outside the cluster; nothing is asked about it."""
    api = Api()
    known = holders(api, named=("kuberay",))
    await known.look({"kuberay": "laptop"}, ("ml",))
    assert known.counts("kuberay", "ml") is True
    assert known.counts_somewhere("kuberay") is True
    assert not api.asked


LONG = "a-release-with-a-long-name-kuberay-operator-6d5f7c9b8d-x2x4z-more"


@pytest.mark.parametrize("name", [LONG, LONG[:62] + "-" + LONG[62:]])
async def test_a_pod_whose_name_is_longer_than_a_hostname_is_found_by_its_cut_name(name: str) -> None:
    """Its hostname, which it writes to its Lease, is cut, without a dash at its end."""
    hostname = name[:63].rstrip("-")
    assert len(hostname) < len(name)
    pods = {
        f"/api/v1/namespaces/kuberay/pods/{name}": pod(),
        f"/api/v1/namespaces/kuberay/pods/{name[:-1]}0": pod("Failed"),
        "/api/v1/namespaces/kuberay/pods/another": pod(account="another"),
    }
    api = Api(pods, rights={(ACCOUNT, "")})
    known = holders(api)
    await known.look({"kuberay": f"{hostname}_0ac3"}, ("ml",))
    assert known.counts("kuberay", "ml") is True
    api.rights.clear()
    known = holders(Api({}, rights={(ACCOUNT, "")}))
    await known.look({"kuberay": f"{hostname}_0ac3"}, ("ml",))
    assert known.counts("kuberay", "ml") is False


async def test_a_reduced_role_makes_a_lease_count_in_no_other_namespace() -> None:
    """With a list of namespaces, a namespace's own administrators may change its Role."""
    api = running()
    api.pods = dict.fromkeys(api.pods, FORBIDDEN)
    known = holders(api, "kuberay", "ml")
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert [known.counts("kuberay", name) for name in ("kuberay", "ml")] == [True, False]


@pytest.mark.parametrize("what", ["pods", "rights"])
async def test_a_lease_counts_if_we_may_not_review_its_holder(what: str) -> None:
    """Two operators of one cluster are worse than none."""
    api = running(failure=FORBIDDEN)
    if what == "pods":
        api.pods = dict.fromkeys(api.pods, FORBIDDEN)
    known = holders(api)
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is True


@pytest.mark.parametrize("away", [AWAY, NOT_SERVED], ids=["no answer", "a 404 of something else"])
async def test_while_the_server_is_away_nothing_changes(away: ApiFailure) -> None:
    """Known answers stay, and unknown ones stay unknown."""
    clock = Clock()
    api = running(rights={(ACCOUNT, "")})
    known = holders(api, clock=clock)
    pods, api.pods = api.pods, dict.fromkeys(api.pods, away)
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is None
    api.pods, api.failure = pods, AWAY
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is None
    api.failure = None
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is True
    clock.now, api.failure, api.pods = RIGHTS_SECONDS + HOLDER_SECONDS, AWAY, dict.fromkeys(pods, away)
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is True


async def test_pods_and_rights_are_looked_at_again_after_a_while() -> None:
    """A pod may end, and a right may be revoked."""
    clock = Clock()
    api = running(rights={(ACCOUNT, "")})
    known = holders(api, clock=clock)
    await known.look({"kuberay": HOLDER}, ("ml",))
    api.rights.clear()
    clock.now = RIGHTS_SECONDS
    await known.look({"kuberay": HOLDER}, ("ml",))
    known.counts("kuberay", "ml")
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is False
    api.rights = {(ACCOUNT, "")}
    clock.now += RIGHTS_SECONDS
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is True
    api.pods.clear()
    clock.now += HOLDER_SECONDS
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is False


async def test_a_new_holder_is_judged_at_once() -> None:
    """A real operator that takes over a Lease is respected, however often the last holder was checked."""
    clock = Clock()
    api = running(rights={(ACCOUNT, "")})
    known = holders(api, clock=clock)
    await known.look({"kuberay": "nobody"}, ("ml",))
    assert known.counts("kuberay", "ml") is False
    await known.look({"kuberay": HOLDER}, ("ml",))
    assert known.counts("kuberay", "ml") is True
    clock.now = RIGHTS_SECONDS
    await known.look({}, ("ml",))
    assert known.counts("kuberay", "ml") is None, "long gone, and forgotten"


async def test_a_lease_that_comes_and_goes_is_reviewed_once() -> None:
    """Whoever recreates it every two seconds leaves nobody's clusters in doubt, and costs no questions."""
    api = running()
    api.pods["/api/v1/namespaces/kuberay/pods/another"] = pod(account="another")
    known = holders(api)
    for holder in (HOLDER, "another"):
        await known.look({"kuberay": holder}, ("ml", "team"))
    questions = len([one for one in api.asked if one.startswith("subject")])
    for holder in (HOLDER, "another_1", "another_2", HOLDER):
        await known.look({}, ("ml", "team"))
        assert known.counts("kuberay", "ml") is False
        await known.look({"kuberay": holder}, ("ml", "team"))
    assert len([one for one in api.asked if one.startswith("subject")]) == questions == 2 * 4


async def test_a_namespace_whose_lease_goes_through_many_accounts_is_not_asked_about_everywhere() -> None:
    """Only whether they may act everywhere and there is reviewed; for a while they count nowhere else."""
    clock = Clock()
    api, names = Api(), [f"account-{number}" for number in range(MOST_ACCOUNTS + 2)]
    api.pods = {f"/api/v1/namespaces/kuberay/pods/{name}": pod(account=name) for name in names}
    known = holders(api, clock=clock)
    namespaces = frozenset(f"team-{number}" for number in range(50))
    for name in names:
        await known.look({"kuberay": name}, namespaces)
        assert not any(known.counts("kuberay", namespace) is not False for namespace in namespaces)
    assert len([one for one in api.asked if one.startswith("subject")]) == MOST_ACCOUNTS * 52 + 2 * 2
    api.pods["/api/v1/namespaces/kuberay/pods/real"] = pod()
    api.rights = {(ACCOUNT, "")}
    await known.look({"kuberay": "real"}, namespaces)
    assert known.counts("kuberay", "team-1") is True, "an operator of all namespaces is respected at once"
    api.rights = {("system:serviceaccount:kuberay:account-5", "team-1")}
    await known.look({"kuberay": "account-5"}, namespaces)
    for clock.now in (RIGHTS_SECONDS - 2, RIGHTS_SECONDS, RIGHTS_SECONDS + 2):
        await known.look({"kuberay": "account-5"}, namespaces)
    assert known.counts("kuberay", "team-1") is True, "the others were long ago"
