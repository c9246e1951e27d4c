"""What is followed in one namespace, in all together, or in none, as nodes are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.informer.reflector import Clockwork, Reflector, Source
from rayfleet.kube.informer.sinks import Sink
from rayfleet.kube.objects.resources import Resource


class Followed(Struct, frozen=True):
    """One kind of object that is followed."""

    resource: Resource
    sink: Callable[[str | None], Sink[Any]]
    """Returns where the objects of a namespace (None: of all) go."""
    selectors: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    """Whether the operator can do without it if listing it is forbidden or it does not exist."""
    is_root: bool = False
    """Users create it, and its CRD may be installed later than the operator."""
    is_verified: bool = False
    """If its watch may have missed something, it must be listed before the next write."""


class Scope:
    """Follows one namespace, or all, independently of the others."""

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
        """The reflectors of root kinds."""
        return tuple(reflector for each, reflector in self._following if each.is_root)

    @property
    def readable(self) -> bool:
        """Whether every required kind has been listed, and listing it is still allowed."""
        return all(reflector.synced for each, reflector in self._following if not each.optional)

    @property
    def refused(self) -> bool:
        """Whether listing a required kind is forbidden, or the kind does not exist."""
        return any(reflector.refused for each, reflector in self._following if not each.optional)

    @property
    def gaps(self) -> int:
        """Rises when the watch of a kind that must be listed before the next write may have missed events."""
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
