"""Reads the Leases in scope every two seconds, and reports when an answer has changed."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from rayfleet.api.names import OTHER_OPERATOR_LEASE
from rayfleet.errors import ApiFailure, Policy, policy
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.leases.other_operator.holders import Holders
from rayfleet.kube.leases.other_operator.ignored import report_ignored
from rayfleet.kube.leases.other_operator.leases import OthersLeases
from rayfleet.kube.objects.resources import LEASES

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""As often as a leader renews its Lease."""
UNAVAILABLE_SECONDS = 60.0
PRUNE_SECONDS = 60.0
"""Between checks of which namespaces are still in use."""
AT_ONCE = 50
"""Namespaces that are judged before the event loop gets a turn."""


class _Place:
    """Where Leases are looked for: one namespace, or all (None)."""

    def __init__(self, client: KubeClient, namespace: str | None, on_news: Callable[[], None]) -> None:
        self._path = LEASES.collection(namespace)
        self._client = client
        self._on_news = on_news
        self._due = 0.0
        self.leases = OthersLeases()
        self.unavailable: str | None = None
        """Why Leases cannot be read here; clusters are acted on all the same."""
        self.looked = False

    async def look(self) -> None:
        """Read the Leases, if it is time to. If there is no answer, nothing counts as changed."""
        now = asyncio.get_running_loop().time()
        if now < self._due:
            return
        answer = await self._client.get(
            self._path, {"fieldSelector": f"metadata.name={OTHER_OPERATOR_LEASE}"}
        )
        now = asyncio.get_running_loop().time()
        if not isinstance(answer, ApiFailure):
            self.unavailable = None
            self._observe(answer.get("items") or (), now)
        elif policy(answer) in {Policy.DENIED, Policy.GONE}:
            if self.unavailable is None:
                log.warning("Cannot read Leases, so another operator would go unnoticed: %s", answer.message)
            self.unavailable = answer.message
            self._due = now + UNAVAILABLE_SECONDS
            self._observe((), now)
        else:
            return
        self.looked = True

    def _observe(self, leases: Iterable[Mapping[str, Any]], now: float) -> None:
        before = self.leases.alive(), self.leases.in_doubt()
        self.leases.observe(leases, now)
        if (self.leases.alive(), self.leases.in_doubt()) != before:
            self._on_news()


class OtherOperatorWatch:
    """Knows for each namespace whether another operator is at work there.

    `on_change` is called with each namespace that was asked about and whose answer has changed; those that
    are no longer `in_use` are forgotten. `now` is the time that events carry.
    """

    def __init__(
        self,
        client: KubeClient,
        namespaces: Sequence[str],
        named: Collection[str],
        on_change: Callable[[str], None],
        in_use: Callable[[], Collection[str]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._in_use = in_use
        self._now = now
        places = dict.fromkeys((*namespaces, *named)) if namespaces else (None,)
        self._places = [_Place(client, namespace, self._forget_leases) for namespace in places]
        self._holders = Holders(client, namespaces, named, lambda: asyncio.get_running_loop().time())
        self._on_change = on_change
        self._answers: dict[str, tuple[str | None, bool]] = {}
        """As of the last judgement or, before the first one, of the first question."""
        self._answered_otherwise: set[str] = set()
        """Namespaces that were answered differently since; woken even if the next judgement is as before."""
        self._asked_about: frozenset[str] = frozenset()
        """The namespaces of `_answers`; the same object as long as they do not change."""
        self._pruned = 0.0
        self._held: tuple[Mapping[str, str], AbstractSet[str]] | None = None
        self._reported: dict[str, str] = {}
        self._wanted, self._ignores = asyncio.Event(), asyncio.Event()
        self.looked = asyncio.Event()
        """Set once Leases have been read, or reading them is forbidden, in each place."""

    @property
    def unavailable(self) -> str | None:
        """Why Leases cannot be read somewhere; None if they can."""
        return next((place.unavailable for place in self._places if place.unavailable), None)

    @property
    def anywhere(self) -> str | None:
        """The Lease of an operator that is alive, as `namespace/name`, if it counts for any namespace."""
        counting = (name for name in self._leases()[0] if self._holders.counts_somewhere(name) is not False)
        return next((_name(namespace) for namespace in counting), None)

    @property
    def ignored(self) -> dict[str, str]:
        """The namespaces of Leases that are held but count nowhere, and the reasons."""
        return {
            namespace: self._holders.why_not(namespace)
            for namespace in self._leases()[0]
            if self._holders.counts_somewhere(namespace) is False
        }

    def alive(self, namespace: str) -> str | None:
        """The Lease, as `namespace/name`, of an operator that is alive and could act in `namespace`.

        While that is unknown, an operator counts as one that could.
        """
        return self._ask(namespace)[0]

    def known(self, namespace: str) -> bool:
        """Whether everything that decides about `namespace` is known; `on_change` is called when it is.

        It takes the duration of a Lease to tell a dead operator's from a live one's.
        """
        return self._ask(namespace)[1]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report(), name="events about Leases that are ignored")
            await self._watch()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + POLL_SECONDS
            await asyncio.gather(*(place.look() for place in self._places))
            await self._judge()
            while await self._is_wanted(due):
                await self._judge()
            self._prune(loop.time())

    async def _report(self) -> None:
        """Runs beside the watch, so that no cluster waits for an event."""
        while True:
            await self._ignores.wait()
            self._ignores.clear()
            await report_ignored(self._client, self.ignored, self._reported, self._now())

    async def _is_wanted(self, due: float) -> bool:
        try:
            async with asyncio.timeout_at(due):
                await self._wanted.wait()
        except TimeoutError:
            return False
        return True

    async def _judge(self) -> None:
        """Find out about the holders that are alive, and report what has changed."""
        self._wanted.clear()
        if len(self._asked_about) != len(self._answers):
            self._asked_about = frozenset(self._answers)
        await self._holders.look(self._leases()[0], self._asked_about)
        if all(place.looked for place in self._places):
            self.looked.set()
        if self.ignored:
            self._ignores.set()
        for number, namespace in enumerate(list(self._answers), 1):
            self._judge_namespace(namespace)
            if not number % AT_ONCE:
                await asyncio.sleep(0)

    def _judge_namespace(self, namespace: str) -> None:
        before, answer = self._answers[namespace], self._answer(namespace)
        if answer == before and namespace not in self._answered_otherwise:
            return
        self._answers[namespace] = answer
        self._answered_otherwise.discard(namespace)
        if answer != before:
            message = "Another operator is alive" if answer[0] else "No other operator is alive"
            log.info(message, extra={"lease": answer[0], "namespace": namespace})
        self._on_change(namespace)

    def _ask(self, namespace: str) -> tuple[str | None, bool]:
        """The answer as of now. Asking hides no change from other callers: judgements still report it."""
        answer = self._answer(namespace)
        if self._answers.setdefault(namespace, answer) != answer:
            self._answered_otherwise.add(namespace)
        if not answer[1]:
            self._wanted.set()
        return answer

    def _answer(self, namespace: str) -> tuple[str | None, bool]:
        """The first Lease that counts or may count, and whether that is certain."""
        alive, in_doubt = self._leases()
        first, certain = None, True
        for lease in alive:
            counts = self._holders.counts(lease, namespace)
            if counts is not False:
                first = first or _name(lease)
                certain = certain and counts is True and lease not in in_doubt
        return first, certain

    def _prune(self, now: float) -> None:
        if self._in_use is None or now - self._pruned < PRUNE_SECONDS:
            return
        self._pruned = now
        for namespace in self._answers.keys() - set(self._in_use()):
            del self._answers[namespace]
            self._answered_otherwise.discard(namespace)
        self._asked_about = frozenset(self._answers)

    def _leases(self) -> tuple[Mapping[str, str], AbstractSet[str]]:
        """The holders that are alive, sorted by namespace, and the namespaces where that is in doubt."""
        if self._held is None:
            alive: dict[str, str] = {}
            in_doubt: set[str] = set()
            for place in self._places:
                alive |= place.leases.alive()
                in_doubt |= place.leases.in_doubt()
            self._held = dict(sorted(alive.items())), in_doubt
        return self._held

    def _forget_leases(self) -> None:
        self._held = None


def _name(namespace: str) -> str:
    return f"{namespace}/{OTHER_OPERATOR_LEASE}"
