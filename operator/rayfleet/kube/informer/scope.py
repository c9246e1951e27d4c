"""What is followed in one namespace, or in all of them together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rayfleet.api.names import GROUP, PLURAL, VERSION, Label
from rayfleet.kube.cache.clusters import ClusterStore
from rayfleet.kube.cache.store import Store
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.informer.reflector import Clockwork, Reflector, Source
from rayfleet.kube.informer.sinks import ChildSink, ClusterSink, Sink
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.services import Service, service_from_object

SELECTORS = {"labelSelector": Label.CLUSTER}
"""Only what carries the cluster label, whatever its value."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The caches that are kept current."""

    clusters: ClusterStore = field(default_factory=ClusterStore)
    pods: Store[Pod] = field(default_factory=lambda: Store(Pod))
    services: Store[Service] = field(default_factory=lambda: Store(Service))


@dataclass(frozen=True, slots=True)
class Wakes:
    """Who is told of what."""

    cluster: Callable[[Key], None]
    """A cluster in which something changed that we look at."""
    child: Callable[[Key], None]
    """The cluster of a child in which something changed that we look at."""
    progress: Callable[[Key], None]
    """The cluster of a pod that has but come further on its way to readiness."""
    readable: Callable[[str | None], None] = lambda _: None
    """A namespace (none: all) of which everything has been listed, for the first time or again."""


class Scope:
    """Follows one namespace, or all, whatever happens in the others."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str | None,
        stores: Stores,
        wakes: Wakes,
        clockwork: Clockwork,
        on_step: Callable[[], None],
    ) -> None:
        self.namespace = namespace
        self._wakes = wakes
        self._on_step = on_step
        self._was_readable = False
        self.clusters = self._reflector(
            client,
            self._source(PLURAL, f"/apis/{GROUP}/{VERSION}", {}),
            ClusterSink(namespace, stores.clusters, wakes.cluster),
            clockwork,
        )
        self.pods = self._reflector(
            client,
            self._source("pods", "/api/v1", SELECTORS),
            ChildSink(
                "pods",
                namespace,
                pod_from_object,
                stores.pods,
                wakes.child,
                on_progress=wakes.progress,
                is_progress=Pod.is_progress_of,
            ),
            clockwork,
        )
        self.services = self._reflector(
            client,
            self._source("services", "/api/v1", SELECTORS),
            ChildSink("services", namespace, service_from_object, stores.services, wakes.child),
            clockwork,
        )

    @property
    def reflectors(self) -> tuple[Reflector[Any], ...]:
        return (self.pods, self.services, self.clusters)

    @property
    def readable(self) -> bool:
        """Whether all has been listed, and may go on being listed."""
        return all(reflector.synced for reflector in self.reflectors)

    @property
    def refused(self) -> bool:
        """Whether something may not be listed, or is not there."""
        return any(reflector.refused for reflector in self.reflectors)

    def _source(self, kind: str, root: str, selectors: dict[str, str]) -> Source:
        place = f"{root}/namespaces/{self.namespace}" if self.namespace else root
        return Source(kind, f"{place}/{kind}", self.namespace, selectors)

    def _reflector(
        self, client: KubeClient, source: Source, sink: Sink[Any], clockwork: Clockwork
    ) -> Reflector[Any]:
        return Reflector(client, source, sink, clockwork, on_step=self._stepped)

    def _stepped(self) -> None:
        was, self._was_readable = self._was_readable, self.readable
        if self._was_readable and not was:
            self._wakes.readable(self.namespace)
        self._on_step()
