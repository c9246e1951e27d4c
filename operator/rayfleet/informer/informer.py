"""The reflectors that the operator runs, and what can be said of them together."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rayfleet.api.names import Label
from rayfleet.cache.store import Store
from rayfleet.clients.kube import KubeClient
from rayfleet.informer.reflector import Clockwork, Reflector, Source
from rayfleet.snapshot import Key, Pod, Service, pod_from_object, service_from_object

SELECTORS = {"labelSelector": Label.CLUSTER}
"""Only what carries the cluster label, whatever its value."""
CLOCKWORK = Clockwork(clock=time.monotonic, jitter=random.random)


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


class Informer:
    """Keeps the stores of pods and services current, in all namespaces or in each of a list.

    `on_change` is told the key of each cluster of whose children something changed that we look at,
    `on_progress` that of one whose pod has but come further on its way to readiness.
    """

    def __init__(
        self,
        client: KubeClient,
        namespaces: Sequence[str],
        pods: Store[Pod],
        services: Store[Service],
        on_change: Callable[[Key], None],
        *,
        on_progress: Callable[[Key], None] | None = None,
        clockwork: Clockwork = CLOCKWORK,
    ) -> None:
        scopes = tuple(namespaces) or (None,)
        self._pods = [
            Reflector(
                client,
                replace(_source("pods", pod_from_object, scope), is_progress=Pod.is_progress_of),
                pods,
                on_change,
                clockwork,
                on_progress=on_progress,
            )
            for scope in scopes
        ]
        self._services = [
            Reflector(client, _source("services", service_from_object, scope), services, on_change, clockwork)
            for scope in scopes
        ]

    @property
    def synced(self) -> bool:
        """Whether every kind that the operator cannot do without has been listed."""
        return all(reflector.synced for reflector in self._core())

    @property
    def health(self) -> tuple[Health, ...]:
        return tuple(map(_health, self._core()))

    def gaps(self, namespace: str) -> int:
        """A number that changes when the view of this namespace's pods may have missed something."""
        return sum(r.gaps for r in self._pods if r.source.namespace in {None, namespace})

    async def run(self) -> None:
        """Follow everything until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._core():
                group.create_task(reflector.run(), name=f"reflector of {reflector.source.words}")

    async def wait_synced(self) -> None:
        """Wait until every kind that the operator cannot do without has been listed."""
        for reflector in self._core():
            await reflector.wait_synced()

    def _core(self) -> tuple[Reflector[Any], ...]:
        return (*self._pods, *self._services)


def _source(kind: str, trim: Callable[..., Any], namespace: str | None) -> Source[Any]:
    path = f"/api/v1/namespaces/{namespace}/{kind}" if namespace else f"/api/v1/{kind}"
    return Source(kind, path, trim, namespace, SELECTORS)


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
    )
