"""The reflectors that the operator runs, and what can be said of them together."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.informer.reflector import Clockwork, Reflector
from rayfleet.kube.informer.scope import Scope, Stores, Wakes

CLOCKWORK = Clockwork(clock=time.monotonic, jitter=random.random)
PATIENCE_SECONDS = 10.0
"""For how long, at the start, namespaces that can be read wait for one that neither lists nor is refused."""


@dataclass(frozen=True, slots=True)
class Health:
    """One reflector, as probes and metrics show it."""

    kind: str
    namespace: str | None
    synced: bool
    available: bool
    age: float | None
    """Seconds since the last sign of life; none before the first."""
    error: str
    gaps: int
    losses: int
    """How often the watch may have missed events."""
    relists: int
    refused: bool = False
    """It may not be listed, or is not there."""


class Informer:
    """Keeps the stores current, in all namespaces or in each of a list.

    Each namespace is listed and watched by itself: one that cannot be read holds up no other.
    """

    def __init__(
        self,
        client: KubeClient,
        namespaces: Sequence[str],
        stores: Stores,
        wakes: Wakes,
        *,
        clockwork: Clockwork = CLOCKWORK,
    ) -> None:
        self._stepped = asyncio.Event()
        self._scopes = {
            namespace: Scope(client, namespace, stores, wakes, clockwork, self._stepped.set)
            for namespace in tuple(namespaces) or (None,)
        }

    @property
    def health(self) -> tuple[Health, ...]:
        """Each reflector's, those of one kind together."""
        kinds = zip(*(scope.reflectors for scope in self._scopes.values()), strict=True)
        return tuple(_health(reflector) for kind in kinds for reflector in kind)

    @property
    def started(self) -> bool:
        """Whether a namespace can be read, and each other one as well or it is known that it cannot."""
        scopes = self._scopes.values()
        return any(s.readable for s in scopes) and all(s.readable or s.refused for s in scopes)

    def readable(self, namespace: str) -> bool:
        """Whether everything in a namespace has been listed, and may go on being listed."""
        scope = self._scopes.get(namespace) or self._scopes.get(None)
        return scope is not None and scope.readable

    def gaps(self, namespace: str) -> int:
        """A number that changes when the view of this namespace's pods may have missed something."""
        return sum(s.pods.gaps for name, s in self._scopes.items() if name in {None, namespace})

    async def run(self, clusters_served: asyncio.Event) -> None:
        """Follow everything until cancelled: RayClusters from when the API server serves them."""

        async def follow_clusters(reflector: Reflector[Any]) -> None:
            await clusters_served.wait()
            await reflector.run()

        async with asyncio.TaskGroup() as group:
            for scope in self._scopes.values():
                for reflector in (scope.pods, scope.services):
                    group.create_task(reflector.run(), name=f"reflector of {reflector.source.words}")
                words = scope.clusters.source.words
                group.create_task(follow_clusters(scope.clusters), name=f"reflector of {words}")

    async def wait_started(self) -> None:
        """Wait until one namespace can be read, and for the others as long as `started` and patience say."""
        await self._until_readable()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self.started:
                    await self._next_step()
        except TimeoutError:
            return

    async def _until_readable(self) -> None:
        while not any(scope.readable for scope in self._scopes.values()):
            await self._next_step()

    async def _next_step(self) -> None:
        self._stepped.clear()
        await self._stepped.wait()


def _health(reflector: Reflector[Any]) -> Health:
    return Health(
        kind=reflector.source.kind,
        namespace=reflector.source.namespace,
        synced=reflector.synced,
        available=reflector.available,
        age=reflector.age,
        error=reflector.error,
        gaps=reflector.gaps,
        losses=reflector.losses,
        relists=reflector.relists,
        refused=reflector.refused,
    )
