"""From the bytes of a Ray head's answers to values, believing nothing. No I/O here.

A head runs its user's code, so any bytes may come: what cannot be understood, or cannot be, is an
`Unbelievable` with words; nothing else is raised.
"""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from sys import intern
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from rayfleet.clients.ray_protocol import ray_pb2
from rayfleet.ray_state import (
    Demand,
    Drain,
    Gang,
    LabelConstraint,
    LabelSelector,
    NodeStatus,
    RayNode,
    RayState,
    Resources,
    Shape,
    Strategy,
)

NODE_ID_BYTES = 28
MOST = 1e18
"""An amount above this is none: a thousand petabytes of memory."""
MOST_EQUAL = 1_000_000_000
"""A request that is said to be there more often than this is not."""

_STATUS: Mapping[int, NodeStatus] = {
    2: NodeStatus.DEAD,
    3: NodeStatus.IDLE,
    4: NodeStatus.DRAINING,
}
_STRATEGY = {strategy.value: strategy for strategy in Strategy}
_IN, _NOT_IN = 1, 2

T = TypeVar("T")


class Unbelievable(ValueError):  # noqa: N818 - it says of an answer what it is
    """An answer that cannot be understood, or cannot be true; its words say why."""


def decoded(kind: Callable[[], T], raw: bytes) -> T:
    """The message that `raw` holds. Raises `Unbelievable` where it holds none."""
    message: Any = kind()
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise Unbelievable(f"no {type(message).__name__}: {error}") from None
    return message  # type: ignore[no-any-return]  # generated messages have no types


def state_from(raw: bytes) -> RayState:
    """What a GetClusterResourceStateReply says, each part in an order of its own. Raises `Unbelievable`."""
    state = decoded(ray_pb2.GetClusterResourceStateReply, raw).cluster_resource_state
    return RayState(
        session=state.cluster_session_name,
        version=state.cluster_resource_state_version,
        nodes=tuple(sorted(map(_node, state.node_states), key=_by_id)),
        demands=_demands(state.pending_resource_requests),
        gangs=tuple(
            sorted(
                map(_gang, state.pending_gang_resource_requests),
                key=lambda gang: (gang.name, gang.strategy, _order(gang.bundles)),
            )
        ),
        constraints=tuple(
            sorted(
                (_demands(each.resource_requests) for each in state.cluster_resource_constraints), key=_order
            )
        ),
    )


def drain_from(raw: bytes) -> Drain:
    """What a DrainNodeReply says. Raises `Unbelievable`."""
    reply = decoded(ray_pb2.DrainNodeReply, raw)
    return Drain(reply.is_accepted, "" if reply.is_accepted else reply.rejection_reason_message)


def _node(node: ray_pb2.NodeState) -> RayNode:
    node_id = node.node_id
    if len(node_id) != NODE_ID_BYTES:
        raise Unbelievable(f"a node's id has {len(node_id)} bytes instead of {NODE_ID_BYTES}")
    status = _STATUS.get(node.status, NodeStatus.RUNNING)
    labels = [(intern(key), intern(value)) for key, value in node.labels.items()]
    labels.sort()
    total = _amounts(node.total_resources)
    available = _amounts(node.available_resources, below_zero=True)
    return RayNode(
        node_id=node_id,
        instance_id=intern(node.instance_id),
        group=intern(node.ray_node_type_name),
        status=status,
        total=total,
        # Of a node that is idle they are equal: then they are one, here and in memory.
        available=total if available == total else available,
        labels=tuple(labels),
        idle_seconds=max(node.idle_duration_ms, 0) / 1000 if status is NodeStatus.IDLE else 0.0,
        ip=node.node_ip_address,
        activity=tuple(sorted(map(intern, node.node_activity))),
    )


def _by_id(node: RayNode) -> bytes:
    return node.node_id


def _amounts(amounts: Mapping[str, float], *, below_zero: bool = False) -> Resources:
    """Sorted, without what is 0.

    `below_zero`: workers that wait give their CPU away, so when they go on Ray may have less than none left.
    """
    found = []
    for name, amount in amounts.items():
        if not isfinite(amount) or amount > MOST or (amount < 0 and not below_zero):
            raise Unbelievable(f"{amount:g} is no amount of the resource {name[:60]!r}")
        if amount > 0:
            found.append((intern(name), amount))
    found.sort()
    return tuple(found)


def _demands(requests: Iterable[ray_pb2.ResourceRequestByCount]) -> tuple[Demand, ...]:
    """Each shape once, sorted."""
    counts: dict[Shape, int] = {}
    for each in requests:
        if not 0 <= each.count <= MOST_EQUAL:
            raise Unbelievable(f"a request is said to be there {each.count} times")
        if each.count:
            shape = _shape(each.request)
            counts[shape] = counts.get(shape, 0) + each.count
    return tuple(Demand(shape, counts[shape]) for shape in sorted(counts))


def _order(demands: Iterable[Demand]) -> list[tuple[Shape, int]]:
    return [(demand.shape, demand.count) for demand in demands]


def _shape(request: ray_pb2.ResourceRequest) -> Shape:
    selectors = tuple(_selector(each) for each in request.label_selectors)
    # Where the first choice is any node, what would come after it never matters.
    return Shape(_amounts(request.resources_bundle), selectors if selectors and selectors[0] else ())


def _selector(selector: ray_pb2.LabelSelector) -> LabelSelector:
    return tuple(
        sorted(
            LabelConstraint(
                intern(each.label_key),
                # No node satisfies a condition that we do not know: to wait is better than a wrong node.
                tuple(sorted(each.label_values)) if each.operator in {_IN, _NOT_IN} else (),
                each.operator == _NOT_IN,
            )
            for each in selector.label_constraints
        )
    )


def _gang(gang: ray_pb2.GangResourceRequest) -> Gang:
    """`details` reads `7ef3...:STRICT_SPREAD|PENDING`. A strategy that we do not know asks nothing more."""
    name, _, rest = gang.details.partition(":")
    whole = gang.bundle_selectors[0].resource_requests if gang.bundle_selectors else ()
    counts: dict[Shape, int] = {}
    for request in whole or gang.requests:
        shape = _shape(request)
        counts[shape] = counts.get(shape, 0) + 1
    return Gang(
        name=name,
        strategy=_STRATEGY.get(rest.partition("|")[0], Strategy.PACK),
        bundles=tuple(Demand(shape, counts[shape]) for shape in sorted(counts)),
    )
