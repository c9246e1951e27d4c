"""The kinds that the operator watches, roots and their children: tables and caches."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.cache.store import Trimmed
from rayfleet.kube.informer import ChildSink, Followed, RootSink
from rayfleet.kube.objects.keys import JsonObject, Key
from rayfleet.kube.objects.resources import Resource

C = TypeVar("C", bound=Trimmed)


class Child(Struct, Generic[C], frozen=True):
    """A kind of object that roots own, or that their placement depends on: a row of a kind's table."""

    resource: Resource
    trimmed: type[C]
    """A frozen struct of the fields that we read."""
    trim: Callable[[JsonObject], C]
    selectors: Mapping[str, str] = field(default_factory=dict)
    """Selectors of the watch, whoever owns the objects."""
    selectors_of: Callable[[Key], Mapping[str, str]] | None = None
    """Selectors of the children of one owner, which are listed before a pass writes if the watch may have
    missed something; None if a repeated create does no harm."""
    optional: bool = False
    is_progress: Callable[[C, C], bool] = lambda _after, _before: False
    """Whether a change (the object now, the object before) calls for no action."""


class Wakes(Struct, frozen=True):
    """What to call when something changes, by what has changed."""

    root: Callable[[Key], None]
    """Called with a root of which something that we read has changed."""
    child: Callable[[Key], None]
    """Called with the owner of a child of which something that we read has changed."""
    progress: Callable[[Key], None]
    """Called with the owner of a child that has only made progress towards readiness."""


class Stores(Struct, frozen=True):
    """The caches: roots by kind, children by resource."""

    roots: Mapping[str, RootStore]
    children: Mapping[Resource, Store[Any]]
    trims: Mapping[Resource, Callable[[JsonObject], Any]]

    def of(self, child: Child[C]) -> Store[C]:
        """The children of one kind."""
        return self.children[child.resource]

    def keep(self, resource: Resource, obj: JsonObject, *, born: bool = False) -> None:
        """Store the object of an answer if its kind is watched: whole if users write it, else trimmed.

        `born` means that this answer is to its creation.
        """
        roots, store = self.roots.get(resource.kind), self.children.get(resource)
        if roots is not None:
            roots.apply(obj, born=born)
        if store is not None:
            store.apply(self.trims[resource](obj))


def stores_for(
    roots: Collection[Resource],
    children: Iterable[Child[Any]],
    on_answer: Callable[[Key], None] = lambda _: None,
) -> Stores:
    """Empty caches for these kinds. Raises ValueError if two kinds describe one child differently."""
    kinds, each = [root.kind for root in roots], united(children)
    return Stores(
        {kind: RootStore(kind, on_answer) for kind in kinds},
        {child.resource: Store(child.trimmed, kinds) for child in each},
        {child.resource: child.trim for child in each},
    )


def united(children: Iterable[Child[Any]]) -> tuple[Child[Any], ...]:
    """Each child once, whichever kinds have it. Raises ValueError if their descriptions differ."""
    found: dict[Resource, Child[Any]] = {}
    for child in children:
        if found.setdefault(child.resource, child) != child:
            raise ValueError(f"two kinds follow {child.resource.plural} in different ways")
    return tuple(found.values())


def followed(
    roots: Iterable[Resource],
    children: Iterable[Child[Any]],
    stores: Stores,
    wakes: Wakes,
    optional: Collection[str] = (),
) -> Iterator[Followed]:
    """What an informer has to watch to keep the caches current. The `optional` root kinds may be absent."""
    for child in united(children):
        yield Followed(
            child.resource,
            _child_sink(child, stores.children[child.resource], wakes),
            child.selectors,
            optional=child.optional,
            is_verified=child.selectors_of is not None,
        )
    for root in roots:
        sink = _root_sink(root, stores.roots[root.kind], wakes)
        yield Followed(root, sink, is_root=True, optional=root.kind in optional)


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
