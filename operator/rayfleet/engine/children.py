"""The kinds that the operator follows: what users write, and the children of that. Tables, and caches."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.cache.store import Trimmed
from rayfleet.kube.informer import ChildSink, Followed, RootSink
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.resources import Resource

C = TypeVar("C", bound=Trimmed)


@dataclass(frozen=True, slots=True)
class Child(Generic[C]):
    """A kind of object that belongs to others, or that they are to be placed by: a line of a kind's table."""

    resource: Resource
    trimmed: type[C]
    """A frozen dataclass of what is looked at."""
    trim: Callable[[JsonObject], C]
    selectors: Mapping[str, str] = field(default_factory=dict)
    """Of the objects that are followed, whoever they belong to."""
    selectors_of: Callable[[Key], Mapping[str, str]] | None = None
    """Of those of one owner, which are listed before it is written for, where the watch may have missed
    something; none where a create that is repeated does no harm."""
    optional: bool = False
    is_progress: Callable[[C, C], bool] = lambda _after, _before: False
    """Whether a change (what is there now, what was before) calls for no action."""


@dataclass(frozen=True, slots=True)
class Wakes:
    """Who is told of what."""

    root: Callable[[Key], None]
    """An object in which something changed that we look at."""
    child: Callable[[Key], None]
    """The owner of a child in which something changed that we look at."""
    progress: Callable[[Key], None]
    """The owner of a child that has but come further on its way to readiness."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The caches: of what users write by its kind, of children by their resource."""

    roots: Mapping[str, RootStore]
    children: Mapping[Resource, Store[Any]]
    trims: Mapping[Resource, Callable[[JsonObject], Any]]

    def of(self, child: Child[C]) -> Store[C]:
        """The children of one kind."""
        return self.children[child.resource]

    def keep(self, resource: Resource, obj: JsonObject) -> None:
        """Take in an object, trimmed, as an answer has it, where its kind is followed."""
        store = self.children.get(resource)
        if store is not None:
            store.apply(self.trims[resource](obj))


def stores_for(roots: Collection[Resource], children: Iterable[Child[Any]]) -> Stores:
    """Empty caches for these kinds. Raises ValueError where two kinds mean different things by one child."""
    kinds, each = [root.kind for root in roots], united(children)
    return Stores(
        {kind: RootStore(kind) for kind in kinds},
        {child.resource: Store(child.trimmed, kinds) for child in each},
        {child.resource: child.trim for child in each},
    )


def united(children: Iterable[Child[Any]]) -> tuple[Child[Any], ...]:
    """Each child once, whichever kinds have it. Raises ValueError where they differ."""
    found: dict[Resource, Child[Any]] = {}
    for child in children:
        if found.setdefault(child.resource, child) != child:
            raise ValueError(f"two kinds follow {child.resource.plural} in different ways")
    return tuple(found.values())


def followed(
    roots: Iterable[Resource], children: Iterable[Child[Any]], stores: Stores, wakes: Wakes
) -> Iterator[Followed]:
    """What an informer is to follow to keep the caches current."""
    for child in united(children):
        yield Followed(
            child.resource,
            _child_sink(child, stores.children[child.resource], wakes),
            child.selectors,
            optional=child.optional,
            is_verified=child.selectors_of is not None,
        )
    for root in roots:
        yield Followed(root, _root_sink(root, stores.roots[root.kind], wakes), is_root=True)


def _child_sink(child: Child[C], store: Store[C], wakes: Wakes) -> Callable[[str | None], ChildSink[C]]:
    return lambda namespace: ChildSink(
        child.resource.plural,
        namespace,
        child.trim,
        store,
        wakes.child,
        on_progress=wakes.progress,
        is_progress=child.is_progress,
    )


def _root_sink(root: Resource, store: RootStore, wakes: Wakes) -> Callable[[str | None], RootSink]:
    return lambda namespace: RootSink(root, namespace, store, wakes.root)
