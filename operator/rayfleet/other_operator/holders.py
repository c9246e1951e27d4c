"""For which namespaces a Lease counts: those in which its holder could act on RayClusters.

Whoever may write Leases in one namespace could stop every cluster of every other one, were the Lease
alone believed. See `docs/decisions/0016-leases-count-where-their-holder-could-act.md`.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

from rayfleet.api.names import GROUP, PLURAL, is_object_name
from rayfleet.clients.kube import Answer
from rayfleet.errors import ApiFailure, Policy, is_gone, policy

REVIEW = "/apis/authorization.k8s.io/v1"
HOLDER_SECONDS = 60.0
"""After so long a holder's pod is looked at again."""
RIGHTS_SECONDS = 300.0
"""After so long it is asked again what its service account may do."""
CUT_NAME = 60
"""Characters. A hostname has 63 at most, and does not end in a dash or a dot."""
MOST_PODS = 500
"""That a cut name is looked for among."""
AT_ONCE = 8
"""Questions to the API server under way at a time."""
EVERYWHERE = ""
"""Instead of a namespace, in a question about rights: in all of them."""


class Asking(Protocol):
    """What is needed of the client: it reads pods, and asks for reviews."""

    async def get(self, path: str, params: Mapping[str, str] | None = None, /) -> Answer: ...
    async def request(self, verb: str, path: str, /, *, body: Mapping[str, Any]) -> Answer: ...


@dataclass(slots=True)
class _Standing:
    """What is known of the holder of one Lease."""

    holder: str
    looked: float
    account: str | None = None
    """The service account of its pod; none where there is no such pod, empty where we may not know."""
    certain: bool = False
    """Whether `account` was found out."""
    why: str = ""
    """Why it counts nowhere, in words."""
    allowed: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """By namespace, whether the account may update RayClusters there, and when that was answered."""

    def may(self, namespace: str) -> bool | None:
        """The answer for a namespace, however old; none where there is none yet."""
        answer = self.allowed.get(namespace)
        return answer[0] if answer is not None else None


class Holders:
    """Finds out where the holders of Leases could act, and remembers it for a while.

    - A Lease in one of the namespaces that are `named` counts everywhere, whoever holds it.
    - What cannot be found out, as the question itself is refused, counts, as two operators on one cluster
      are worse than none; with a list of namespaces, where a Role may be its tenant's to change, in that
      namespace alone.
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
        self._questions = asyncio.Semaphore(AT_ONCE)
        self._asked: dict[str, float] = {}

    def counts(self, lease: str, namespace: str) -> bool | None:
        """Whether the Lease in namespace `lease` counts for `namespace`; none while that is not known."""
        if lease in self._named:
            return True
        standing = self._standings.get(lease)
        if standing is None or not standing.certain:
            return None
        if standing.account is None:
            return False
        if not self._namespaces:
            everywhere = standing.may(EVERYWHERE)
            if everywhere is not False:
                return everywhere
        self._asked[namespace] = self._clock()
        return standing.may(namespace)

    def counts_somewhere(self, lease: str) -> bool | None:
        """Whether it counts for any namespace that was asked about; none while that is not known."""
        if lease in self._named:
            return True
        standing = self._standings.get(lease)
        if standing is None or not standing.certain:
            return None
        if standing.account is None:
            return False
        answers = [allowed for allowed, _ in standing.allowed.values()]
        return any(answers) if answers else None

    def why_not(self, lease: str) -> str:
        """Why a Lease that counts nowhere does not, in words."""
        standing = self._standings.get(lease)
        return standing.why if standing is not None else ""

    async def look(self, leases: Mapping[str, str]) -> None:
        """Find out what is not known of these holders, by namespace of their Lease; forget all others."""
        for lease in self._standings.keys() - leases.keys():
            del self._standings[lease]
        await asyncio.gather(
            *(self._look_at(lease, holder) for lease, holder in leases.items() if lease not in self._named)
        )

    async def _look_at(self, lease: str, holder: str) -> None:
        standing = self._standings.get(lease)
        old = standing is None or self._clock() - standing.looked >= HOLDER_SECONDS
        if standing is None or old or not standing.certain or standing.holder != holder:
            standing = await self._find_account(lease, holder, standing)
        if standing.account is not None:
            await self._find_rights(lease, standing, standing.account)

    async def _find_account(self, lease: str, holder: str, before: _Standing | None) -> _Standing:
        found = _Standing(holder, self._clock())
        pod = holder.rpartition("_")[0] or holder
        answer = await self._find_pod(lease, pod)
        if not isinstance(answer, ApiFailure):
            found.certain, found.account = True, _account(answer)
            found.why = f"its holder's pod {pod} has ended"
        elif is_gone(answer, "pods", pod):
            found.certain = True
            found.why = f"its holder {holder[:100]!r} is no pod of this namespace"
        elif policy(answer) is Policy.DENIED:
            found.certain, found.account = True, ""
        elif before is not None and before.certain and before.holder == holder:
            return before  # No news is no change.
        if before is not None and before.account == found.account:
            found.allowed = before.allowed
        self._standings[lease] = found
        return found

    async def _find_pod(self, namespace: str, name: str) -> Answer:
        """The pod that calls itself so: by its hostname, which is its name, cut where that is too long."""
        absent = ApiFailure(404, "NotFound", "there is no such pod", kind="pods", name=name)
        if not is_object_name(name):
            return absent
        pods = f"/api/v1/namespaces/{namespace}/pods"
        async with self._questions:
            answer = await self._client.get(f"{pods}/{name}")
            if len(name) < CUT_NAME or not (isinstance(answer, ApiFailure) and is_gone(answer, "pods", name)):
                return answer
            listed = await self._client.get(pods, {"limit": str(MOST_PODS)})
        if isinstance(listed, ApiFailure):
            return listed
        named = [pod for pod in listed.get("items") or () if pod["metadata"]["name"].startswith(name)]
        return next((pod for pod in named if _account(pod) is not None), absent)

    async def _find_rights(self, lease: str, standing: _Standing, account: str) -> None:
        now = self._clock()
        asked = [name for name, at in self._asked.items() if now - at < RIGHTS_SECONDS]
        places = dict.fromkeys(self._namespaces or (EVERYWHERE, lease, *asked))
        answered = {place: at for place, (_, at) in standing.allowed.items()}
        due = [place for place in places if now - answered.get(place, -inf) >= RIGHTS_SECONDS]
        if EVERYWHERE in due:
            await self._ask(lease, standing, account, EVERYWHERE)
        if standing.allowed.get(EVERYWHERE, (False, 0.0))[0]:
            return
        rest = [place for place in due if place != EVERYWHERE]
        await asyncio.gather(*(self._ask(lease, standing, account, place) for place in rest))
        standing.why = f"the service account {account} of its holder's pod may not update RayClusters"

    async def _ask(self, lease: str, standing: _Standing, account: str, place: str) -> None:
        if not account:
            # With a list of namespaces the refusal is one namespace's own, and so is what comes of it.
            standing.allowed[place] = (not self._namespaces or place == lease, self._clock())
            return
        if self._namespaces:
            path = f"{REVIEW}/namespaces/{place}/localsubjectaccessreviews"
        else:
            path = f"{REVIEW}/subjectaccessreviews"
        body = _review(lease, account, place, local=bool(self._namespaces))
        async with self._questions:
            answer = await self._client.request("review", path, body=body)
        if not isinstance(answer, ApiFailure):
            standing.allowed[place] = ((answer.get("status") or {}).get("allowed") is True, self._clock())
        elif policy(answer) in {Policy.DENIED, Policy.GONE}:
            standing.allowed[place] = (True, self._clock())


def _account(pod: Mapping[str, Any]) -> str | None:
    """The service account of a pod; none where its containers have ended."""
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return None
    return str((pod.get("spec") or {}).get("serviceAccountName") or "default")


def _review(namespace: str, account: str, place: str, *, local: bool) -> Mapping[str, Any]:
    """The question whether the account of a pod in `namespace` may update RayClusters in `place`."""
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
