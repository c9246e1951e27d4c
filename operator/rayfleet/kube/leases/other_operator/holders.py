"""For which namespaces a Lease counts: those in which its holder could act on RayClusters.

If the Lease alone were believed, anyone who may write Leases in one namespace could stop every cluster
in every other. See `docs/decisions/0016-leases-count-where-their-holder-could-act.md`.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from math import inf
from typing import Any, Protocol

from msgspec import Struct, field

from rayfleet.api.names import GROUP, PLURAL, is_object_name
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kube.client.client import Answer
from rayfleet.kube.objects.resources import PODS

REVIEW = "/apis/authorization.k8s.io/v1"
HOLDER_SECONDS = 60.0
"""How long a holder's pod is remembered before it is read again."""
RIGHTS_SECONDS = 300.0
"""How long the rights of its service account are remembered before they are asked for again."""
CUT_NAME = 60
"""Characters. A hostname has 63 at most, and does not end in a dash or a dot."""
MOST_PODS = 500
"""Pods that are searched for a cut name."""
AT_ONCE = 8
"""Requests to the API server under way at a time."""
MOST_ACCOUNTS = 4
"""Service accounts of one Lease within RIGHTS_SECONDS whose rights are asked for in every namespace."""
EVERYWHERE = ""
"""In a request about rights, stands for all namespaces."""


class Asking(Protocol):
    """What is needed of the client: reading pods, and posting access reviews."""

    async def get(self, path: str, params: Mapping[str, str] | None = None, /) -> Answer: ...
    async def request(self, verb: str, path: str, /, *, body: Mapping[str, Any]) -> Answer: ...


class _Rights(Struct):
    """What one service account may do. Kept while its Lease is deleted, recreated or held by another."""

    used: float
    """When it last held a Lease."""
    allowed: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """Per namespace, whether it may update RayClusters there, and when that was answered."""
    is_bounded: bool = False
    """Its Lease recently had more than MOST_ACCOUNTS accounts, so this one is not asked about everywhere."""
    somewhere: bool | None = None
    """Whether any answer was yes; None if there is no answer."""
    asked_in: Collection[str] = ()
    due: float = 0.0
    """Until then everything is answered for the namespaces `asked_in`."""

    def may(self, namespace: str) -> bool | None:
        """The answer for a namespace, however old; None if there is no answer yet."""
        answer = self.allowed.get(namespace)
        return answer[0] if answer is not None else False if self.is_bounded else None


class _Standing(Struct):
    """What is known about the holder of one Lease."""

    holder: str
    looked: float
    seen: float
    """When the Lease was last there."""
    account: str | None = None
    """The service account of its pod; None if there is no such pod, empty if we may not read it."""
    certain: bool = False
    """Whether `account` is known."""
    why: str = ""
    """Why it counts nowhere."""


class Holders:
    """Finds out where the holders of Leases could act, and remembers it for a while.

    - A Lease in one of the `named` namespaces counts everywhere, whoever holds it.
    - A Lease counts if we are forbidden to find out, as two operators on one cluster are worse than none;
      with a list of namespaces, where a tenant may change a Role, it counts in that namespace only.
    - What was found out outlives the Lease, which a tenant may delete and recreate every second.
    """

    def __init__(
        self,
        client: Asking,
        namespaces: Collection[str],
        named: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._namespaces = tuple(namespaces)
        self._named = frozenset(named)
        self._clock = clock
        self._standings: dict[str, _Standing] = {}
        self._rights: dict[str, dict[str, _Rights]] = {}
        """Per namespace of the Lease and per account, oldest first."""
        self._questions = asyncio.Semaphore(AT_ONCE)

    def counts(self, lease: str, namespace: str) -> bool | None:
        """Whether the Lease in namespace `lease` counts for `namespace`; None while that is unknown."""
        rights = self._rights_of(lease)
        if not isinstance(rights, _Rights):
            return rights
        if not self._namespaces:
            everywhere = rights.allowed.get(EVERYWHERE, (None, 0.0))[0]
            if everywhere is not False:
                return everywhere
        return rights.may(namespace)

    def counts_somewhere(self, lease: str) -> bool | None:
        """Whether it counts for any namespace that was asked about; None while that is unknown."""
        rights = self._rights_of(lease)
        if not isinstance(rights, _Rights):
            return rights
        return rights.somewhere

    def why_not(self, lease: str) -> str:
        """Why a Lease counts nowhere."""
        standing = self._standings.get(lease)
        return standing.why if standing is not None else ""

    async def look(self, leases: Mapping[str, str], namespaces: Collection[str]) -> None:
        """Find out what is unknown about these holders (per namespace of their Lease) for `namespaces`."""
        self._forget(leases)
        places = self._namespaces or namespaces
        held = [(lease, holder) for lease, holder in leases.items() if lease not in self._named]
        await asyncio.gather(*(self._look_at(lease, holder, places) for lease, holder in held))

    def _rights_of(self, lease: str) -> _Rights | bool | None:
        """The rights of its holder's account; or one answer for every namespace; or None if unknown."""
        if lease in self._named:
            return True
        standing = self._standings.get(lease)
        if standing is None or not standing.certain:
            return None
        if standing.account is None:
            return False
        return self._rights.get(lease, {}).get(standing.account)

    def _forget(self, leases: Collection[str]) -> None:
        """Forget Leases that are long gone, and accounts that have long held none."""
        now = self._clock()
        for lease, standing in list(self._standings.items()):
            if lease in leases:
                standing.seen = now
            elif now - standing.seen >= RIGHTS_SECONDS:
                del self._standings[lease]
        for lease, accounts in list(self._rights.items()):
            known = self._standings.get(lease)
            for account, rights in list(accounts.items()):
                if known is not None and known.account == account:
                    rights.used = known.seen
                elif now - rights.used >= RIGHTS_SECONDS:
                    del accounts[account]
            if not accounts:
                del self._rights[lease]

    async def _look_at(self, lease: str, holder: str, places: Collection[str]) -> None:
        standing = self._standings.get(lease)
        old = standing is None or self._clock() - standing.looked >= HOLDER_SECONDS
        if standing is None or old or not standing.certain or standing.holder != holder:
            standing = await self._find_account(lease, holder, standing)
        if standing.account is not None:
            await self._find_rights(lease, standing, standing.account, places)
        # Only now: until another holder's rights are known, those of the last one stand.
        self._standings[lease] = standing

    async def _find_account(self, lease: str, holder: str, before: _Standing | None) -> _Standing:
        now = self._clock()
        standing = _Standing(holder, now, now)
        pod = holder.rpartition("_")[0] or holder
        answer = await self._find_pod(lease, pod)
        if not isinstance(answer, ApiFailure):
            standing.certain, standing.account = True, _account(answer)
            standing.why = f"its holder's pod {pod} has ended"
        elif is_gone(answer, "pods", pod):
            standing.certain = True
            standing.why = f"its holder {holder[:100]!r} is not a pod of this namespace"
        elif policy(answer) is Policy.DENIED:
            standing.certain, standing.account = True, ""
        elif before is not None and before.certain and before.holder == holder:
            return before  # No answer changes nothing.
        return standing

    async def _find_pod(self, namespace: str, name: str) -> Answer:
        """The pod with this hostname, which is its name, cut if that is too long."""
        absent = ApiFailure(404, "NotFound", "no such pod", kind="pods", name=name)
        if not is_object_name(name):
            return absent
        pods = PODS.collection(namespace)
        async with self._questions:
            answer = await self._client.get(f"{pods}/{name}")
            if len(name) < CUT_NAME or not (isinstance(answer, ApiFailure) and is_gone(answer, "pods", name)):
                return answer
            listed = await self._client.get(pods, {"limit": str(MOST_PODS)})
        if isinstance(listed, ApiFailure):
            return listed
        named = [pod for pod in listed.get("items") or () if pod["metadata"]["name"].startswith(name)]
        return next((pod for pod in named if _account(pod) is not None), absent)

    async def _find_rights(
        self, lease: str, standing: _Standing, account: str, places: Collection[str]
    ) -> None:
        now = self._clock()
        accounts = self._rights.setdefault(lease, {})
        rights = accounts.setdefault(account, _Rights(now))
        rights.used = now
        is_bounded = account not in islice(accounts, MOST_ACCOUNTS)
        if is_bounded == rights.is_bounded and rights.asked_in is places and now < rights.due:
            return
        asked = await self._ask_for(lease, rights, account, () if is_bounded else places)
        standing.why = f"the service account {account} of its holder's pod may not update RayClusters"
        rights.allowed = {place: rights.allowed[place] for place in asked if place in rights.allowed}
        answers = [may for may, _ in rights.allowed.values()]
        rights.somewhere = any(answers) if answers else None
        rights.is_bounded, rights.asked_in = is_bounded, places
        rights.due = RIGHTS_SECONDS + min(rights.allowed.get(place, (False, -inf))[1] for place in asked)

    async def _ask_for(
        self, lease: str, rights: _Rights, account: str, places: Collection[str]
    ) -> Collection[str]:
        """Ask about all namespaces, the Lease's own namespace and `places`; return what was asked about."""
        if not self._namespaces:
            await self._ask(lease, rights, account, EVERYWHERE)
            if rights.allowed.get(EVERYWHERE, (False, 0.0))[0]:
                return (EVERYWHERE,)
        own = (lease,) if not self._namespaces or lease in self._namespaces else ()
        rest = dict.fromkeys((*own, *places))
        await asyncio.gather(*(self._ask(lease, rights, account, place) for place in rest))
        return tuple(rest) if self._namespaces else (EVERYWHERE, *rest)

    async def _ask(self, lease: str, rights: _Rights, account: str, place: str) -> None:
        """Ask what the account may do in a place, unless that was answered recently."""
        if self._clock() - rights.allowed.get(place, (False, -inf))[1] < RIGHTS_SECONDS:
            return
        if not account:
            # With a list of namespaces, the refusal and its consequences concern one namespace only.
            rights.allowed[place] = (not self._namespaces or place == lease, self._clock())
            return
        if self._namespaces:
            path = f"{REVIEW}/namespaces/{place}/localsubjectaccessreviews"
        else:
            path = f"{REVIEW}/subjectaccessreviews"
        body = _review(lease, account, place, local=bool(self._namespaces))
        async with self._questions:
            answer = await self._client.request("review", path, body=body)
        if not isinstance(answer, ApiFailure):
            rights.allowed[place] = ((answer.get("status") or {}).get("allowed") is True, self._clock())
        elif policy(answer) in {Policy.DENIED, Policy.GONE}:
            rights.allowed[place] = (True, self._clock())


def _account(pod: Mapping[str, Any]) -> str | None:
    """The service account of a pod; None if its containers have ended."""
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return None
    return str((pod.get("spec") or {}).get("serviceAccountName") or "default")


def _review(namespace: str, account: str, place: str, *, local: bool) -> Mapping[str, Any]:
    """A review of whether the account of a pod in `namespace` may update RayClusters in `place`."""
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    attributes = {"group": GROUP, "resource": PLURAL, "verb": "update", "namespace": place}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "LocalSubjectAccessReview" if local else "SubjectAccessReview",
        "metadata": {"namespace": place} if local else {},
        "spec": {
            "user": f"system:serviceaccount:{namespace}:{account}",
            "groups": groups,
            "resourceAttributes": attributes,
        },
    }
