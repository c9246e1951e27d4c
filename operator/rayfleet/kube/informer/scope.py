"""What is followed in one namespace, in all of them together, or in none, as nodes are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.informer.reflector import Clockwork, Reflector, Source
from rayfleet.kube.informer.sinks import Sink
from rayfleet.kube.objects.resources import Resource


@dataclass(frozen=True, slots=True)
class Followed:
    """One kind of object that is followed."""

    resource: Resource
    sink: Callable[[str | None], Sink[Any]]
    """Where the objects of a namespace (none: of all) go."""
    selectors: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    """Whether the operator can do without it, where it may not be listed or is not there."""
    is_root: bool = False
    """Users write it, and its CRD may be installed later than the operator."""
    is_verified: bool = False
    """What its watch may have missed has to be listed before the next write."""


class Scope:
    """Follows one namespace, or all, whatever happens in the others."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str | None,
        followed: Sequence[Followed],
        clockwork: Clockwork,
        on_step: Callable[[], None],
        on_readable: Callable[[str | None], None],
    ) -> None:
        self.namespace = namespace
        self._on_step = on_step
        self._on_readable = on_readable
        self._following = tuple(
            (each, self._reflector(client, each, each.sink(namespace), clockwork)) for each in followed
        )
        self._was_readable = self.readable

    @property
    def reflectors(self) -> tuple[Reflector[Any], ...]:
        return tuple(reflector for _, reflector in self._following)

    @property
    def roots(self) -> tuple[Reflector[Any], ...]:
        """Those of what users write."""
        return tuple(reflector for each, reflector in self._following if each.is_root)

    @property
    def readable(self) -> bool:
        """Whether all that is needed has been listed, and may go on being listed."""
        return all(reflector.synced for each, reflector in self._following if not each.optional)

    @property
    def refused(self) -> bool:
        """Whether something that is needed may not be listed, or is not there."""
        return any(reflector.refused for each, reflector in self._following if not each.optional)

    @property
    def gaps(self) -> int:
        """Rises when something may have been missed that has to be listed before the next write."""
        return sum(reflector.gaps for each, reflector in self._following if each.is_verified)

    def _reflector(
        self, client: KubeClient, followed: Followed, sink: Sink[Any], clockwork: Clockwork
    ) -> Reflector[Any]:
        resource = followed.resource
        path = resource.collection(self.namespace)
        source = Source(
            resource.plural,
            path,
            self.namespace,
            followed.selectors,
            followed.optional,
            resource.namespaced,
        )
        return Reflector(client, source, sink, clockwork, on_step=self._stepped)

    def _stepped(self) -> None:
        was, self._was_readable = self._was_readable, self.readable
        if self._was_readable and not was:
            self._on_readable(self.namespace)
        self._on_step()
