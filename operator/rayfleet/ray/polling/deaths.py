"""Why nodes are dead whose pods are still running. The state of Ray omits this, so it is asked once per node.

Only from this does an operator that starts during a scale-down know what was drained. No I/O here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from rayfleet.ray.inventory import DeathCause, NodeInfo
from rayfleet.ray.state import NodeStatus, RayState

NONE_KNOWN: Final[Mapping[bytes, DeathCause]] = MappingProxyType({})
MOST_IN_VAIN: Final = 3
"""Questions in a row that may fail. After that the state is used without the causes: a head that answers
nothing but its state must not keep its cluster from growing."""


def unexplained(
    state: RayState, known: Mapping[bytes, DeathCause], pods: Callable[[], Collection[str]]
) -> tuple[bytes, ...]:
    """Ids of the nodes to ask about: dead nodes whose pod is one of `pods`, the names of live pods."""
    dead = [n for n in state.nodes if n.status is NodeStatus.DEAD and n.node_id not in known]
    names = frozenset(pods()) if dead else frozenset()
    return tuple(node.node_id for node in dead if node.instance_id in names)


def explained(
    known: Mapping[bytes, DeathCause], asked: Iterable[bytes], books: Iterable[NodeInfo]
) -> Mapping[bytes, DeathCause]:
    """The causes known after asking Ray; UNKNOWN for nodes in `asked` that it does not report."""
    causes = {node.node_id: node.cause for node in books if not node.alive}
    return {**known, **{node_id: causes.get(node_id, DeathCause.UNKNOWN) for node_id in asked}}


def still_listed(known: Mapping[bytes, DeathCause], state: RayState) -> Mapping[bytes, DeathCause]:
    """`known` without nodes that Ray no longer lists."""
    if not known:
        return known
    listed = {node.node_id for node in state.nodes}
    return known if known.keys() <= listed else {node: known[node] for node in known.keys() & listed}
