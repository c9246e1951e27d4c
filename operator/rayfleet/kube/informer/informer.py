"""The reflectors that the operator runs, and their joint state."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.informer.reflector import Clockwork, Reflector
from rayfleet.kube.informer.scope import Followed, Scope

CLOCKWORK = Clockwork(clock=time.monotonic, jitter=random.random)
PATIENCE_SECONDS = 10.0
"""How long, at the start, readable namespaces wait for one that is neither listed nor refused."""


class Health(Struct, frozen=True):
    """One reflector, as probes and metrics show it."""

    kind: str
    namespace: str | None
    synced: bool
    available: bool
    age: float | None
    """Seconds since the last sign of life; None before the first."""
    error: str
    gaps: int
    losses: int
    """How often the watch may have missed events."""
    relists: int
    refused: bool = False
    """Listing it is forbidden, or it does not exist."""
    optional: bool = False
    """The operator can do without it."""


class Informer:
    """Keeps the stores current, in all namespaces or in each namespace of a list.

    Each namespace is listed and watched by itself: one that cannot be read does not hold up the others.
    Cluster-scoped kinds are followed once, whichever namespaces are.
    """

    def __init__(
        self,
        client: KubeClient,
        namespaces: Sequence[str],
        followed: Sequence[Followed],
        *,
        on_readable: Callable[[str | None], None] = lambda _: None,
        clockwork: Clockwork = CLOCKWORK,
    ) -> None:
        """`on_readable` is called with a namespace (None: all) each time it has become completely listed."""
        self._stepped = asyncio.Event()

        def scope(namespace: str | None, *, namespaced: bool) -> Scope:
            what = [each for each in followed if each.resource.namespaced is namespaced]
            return Scope(client, namespace, what, clockwork, self._stepped.set, on_readable)

        self._cluster = scope(None, namespaced=False)
        self._scopes = {name: scope(name, namespaced=True) for name in tuple(namespaces) or (None,)}

    @property
    def health(self) -> tuple[Health, ...]:
        """The health of each reflector, grouped by kind."""
        kinds = zip(*(scope.reflectors for scope in self._scopes.values()), strict=True)
        namespaced = (reflector for kind in kinds for reflector in kind)
        return tuple(_health(reflector) for reflector in (*namespaced, *self._cluster.reflectors))

    @property
    def started(self) -> bool:
        """Whether some namespace can be read, and each of the others either can be or is refused."""
        return self._some_readable and all(s.readable or s.refused for s in self._scopes.values())

    def readable(self, namespace: str) -> bool:
        """Whether everything in a namespace has been listed, and listing it is still allowed."""
        scope = self._scopes.get(namespace) or self._scopes.get(None)
        return scope is not None and scope.readable and self._cluster.readable

    def gaps(self, namespace: str) -> int:
        """A number that changes when the watch of a verified kind may have missed something here."""
        scopes = (scope for name, scope in self._scopes.items() if name in {None, namespace})
        return sum(scope.gaps for scope in (self._cluster, *scopes))

    async def run(self, roots_served: asyncio.Event) -> None:
        """Follow everything until cancelled; root kinds from when the API server serves them."""

        async def follow(reflector: Reflector[Any], *, is_root: bool) -> None:
            if is_root:
                await roots_served.wait()
            await reflector.run()

        async with asyncio.TaskGroup() as group:
            for scope in (self._cluster, *self._scopes.values()):
                for reflector in scope.reflectors:
                    following = follow(reflector, is_root=reflector in scope.roots)
                    group.create_task(following, name=f"reflector of {reflector.source.description}")

    async def wait_started(self) -> None:
        """Wait until one namespace can be read, then up to PATIENCE_SECONDS until `started`."""
        await self._until_readable()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self.started:
                    await self._next_step()
        except TimeoutError:
            return

    async def _until_readable(self) -> None:
        while not self._some_readable:
            await self._next_step()

    @property
    def _some_readable(self) -> bool:
        return self._cluster.readable and any(scope.readable for scope in self._scopes.values())

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
        optional=reflector.source.optional,
    )
