"""A term as the leader: what may be written in it, and which roots were created after it began."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from sys import maxsize

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.answers import listing_from
from rayfleet.kube.client.client import METADATA_ONLY, KubeClient
from rayfleet.kube.objects.resources import Resource

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0

_DECIDED_IN: ContextVar[int] = ContextVar("the term that a pass was decided in")


class Term:
    """The terms of one process, one after another; `number` is that of the current one.

    What is done inside `decided`, also by tasks that start there, belongs to the term in which the block was
    entered, and is not written in a later one: meanwhile another leader may have decided otherwise.
    """

    def __init__(
        self,
        client: KubeClient,
        namespaces: Sequence[str],
        number: Callable[[], int],
        seconds_left: Callable[[], float],
        roots: Sequence[Resource],
        optional: Collection[str] = (),
    ) -> None:
        """`optional` are the kinds of roots that may be absent."""
        self._namespaces = tuple(namespaces) or (None,)
        self._roots = tuple(roots)
        self._required = tuple(root.kind for root in roots if root.kind not in optional)
        self._client = client
        self._number = number
        self._seconds_left = seconds_left
        self._gained = asyncio.Event()
        self._began: dict[str, tuple[int, int]] = {}
        """By kind, the number of a term and the resourceVersion when it began."""

    @contextmanager
    def decided(self) -> Iterator[None]:
        """Inside the block, all writes belong to the term of this moment."""
        before = _DECIDED_IN.set(self._number())
        try:
            yield
        finally:
            _DECIDED_IN.reset(before)

    @property
    def seconds_left(self) -> float:
        """How long the caller may still write; negative infinity if its term is over."""
        number = self._number()
        return self._seconds_left() if _DECIDED_IN.get(number) == number else -inf

    def began(self, kind: str) -> int:
        """The resourceVersion of a kind when the current term began; above all others until it is known.

        Only versions of one kind can be compared: each kind may be stored in an etcd of its own.
        """
        number, version = self._began.get(kind, (0, maxsize))
        return version if number == self._number() else maxsize

    def gain(self) -> None:
        """Begin a term."""
        self._gained.set()

    async def run(self) -> None:
        """At the beginning of each term, read the resourceVersion of each kind; run until cancelled."""
        while True:
            await self._gained.wait()
            self._gained.clear()
            number = self._number()
            for resource in self._roots:
                version = await self._version(resource)
                if version is not None:
                    self._began[resource.kind] = number, version
            if any(self._began.get(kind, (None,))[0] != number for kind in self._required):
                await asyncio.sleep(RETRY_SECONDS)
                self._gained.set()

    async def _version(self, resource: Resource) -> int | None:
        """The highest version written so far, from the first namespace that can be read; None if none can."""
        for namespace in self._namespaces:
            path = resource.collection(namespace)
            answer = await self._client.request("list", path, params={"limit": "1"}, accept=METADATA_ONLY)
            page = answer if isinstance(answer, ApiFailure) else listing_from(answer)
            if not isinstance(page, ApiFailure):
                return page.resource_version
        return None
