"""Why dead nodes have ended whose pods live on: what Ray's list of nodes leaves out, asked for once each.

By this alone an operator that starts in the midst of a scale-down knows what was given up. No I/O here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from rayfleet.ray.inventory import DeathCause, NodeInfo
from rayfleet.ray.state import NodeStatus, RayState

NONE_KNOWN: Final[Mapping[bytes, DeathCause]] = MappingProxyType({})
MOST_IN_VAIN: Final = 3
"""Questions in a row that may fail. Then the state is believed without the causes: a head that answers
nothing but its state must not keep its cluster from growing."""


def unexplained(
    state: RayState, known: Mapping[bytes, DeathCause], pods: Callable[[], Collection[str]]
) -> tuple[bytes, ...]:
    """Ids of the nodes to be asked about: dead ones of `pods`, the names of those that live."""
    dead = [n for n in state.nodes if n.status is NodeStatus.DEAD and n.node_id not in known]
    names = frozenset(pods()) if dead else frozenset()
    return tuple(node.node_id for node in dead if node.instance_id in names)


def explained(
    known: Mapping[bytes, DeathCause], asked: Iterable[bytes], books: Iterable[NodeInfo]
) -> Mapping[bytes, DeathCause]:
    """What is known after Ray was asked; of what it does not tell, that it does not."""
    causes = {node.node_id: node.cause for node in books if not node.alive}
    return {**known, **{node_id: causes.get(node_id, DeathCause.UNKNOWN) for node_id in asked}}


def still_listed(known: Mapping[bytes, DeathCause], state: RayState) -> Mapping[bytes, DeathCause]:
    """Without nodes that Ray has forgotten."""
    if not known:
        return known
    listed = {node.node_id for node in state.nodes}
    return known if known.keys() <= listed else {one: known[one] for one in known.keys() & listed}
