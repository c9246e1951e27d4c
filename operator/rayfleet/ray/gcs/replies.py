"""Reads a Ray head's answers into values, without trusting them. No I/O here.

A head runs its users' code, so any bytes may come. What cannot be understood, cannot be true or is too much
raises `Unbelievable` with a message; nothing else is raised. Entries are counted before they are unpacked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from sys import intern
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from msgspec.structs import replace

from rayfleet.ray.gcs import bounds
from rayfleet.ray.gcs.bounds import Parts, TooMuch, Unbelievable, bounded, named
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.gcs.wire_fields import fields_of
from rayfleet.ray.state import (
    Choice,
    Demand,
    Drain,
    Gang,
    LabelConstraint,
    LabelSelector,
    Locality,
    NodeStatus,
    RayNode,
    RayState,
    Resources,
    Shape,
    Strategy,
)

NODE_ID_BYTES = 28
MOST = 1e18
"""The largest amount that is believed: a thousand petabytes of memory."""
MOST_EQUAL = 1_000_000_000
"""The largest count of equal requests that is believed."""

_STATUS: Mapping[int, NodeStatus] = {
    2: NodeStatus.DEAD,
    3: NodeStatus.IDLE,
    4: NodeStatus.DRAINING,
}
_STRATEGY = {strategy.value: strategy for strategy in Strategy}
_IN, _NOT_IN = 1, 2
_TOGETHER, _SPREAD, _APART = (0, 2), 1, 3
"""Strategies of a locality: pack and strict pack, spread, strict spread."""
_REPLY = "GetClusterResourceStateReply"
_SESSION = 7
_SIGN = 1 << 63

T = TypeVar("T")


def decoded(kind: Callable[[], T], raw: bytes) -> T:
    """The message that `raw` holds. Raises `Unbelievable` if it holds none."""
    message: Any = kind()
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise Unbelievable(f"not a {type(message).__name__}: {error}") from None
    return message  # type: ignore[no-any-return]  # generated messages have no types


def unpacked(kind: type[T], raw: bytes, what: str) -> T:
    """One entry of an answer. Raises `Unbelievable`."""
    if len(raw) > bounds.LARGEST_ENTRY:
        raise TooMuch(f"{what} has {len(raw)} bytes, and at most {bounds.LARGEST_ENTRY} are read")
    try:
        return kind.FromString(raw)  # type: ignore[attr-defined, no-any-return]  # messages have no types
    except DecodeError as error:
        raise Unbelievable(f"not a {kind.__name__}: {error}") from None


def state_from(raw: bytes) -> RayState:
    """The state in a GetClusterResourceStateReply, with each part sorted. Raises `Unbelievable`."""
    # A message that comes in pieces is their concatenation.
    pieces = [part for number, part in fields_of(raw, _REPLY) if number == 1 and isinstance(part, bytes)]
    session, version = b"", 0
    nodes: list[bytes] = []
    demands: list[bytes] = []
    gangs: list[bytes] = []
    constraints: list[bytes] = []
    lists = {3: nodes, 4: demands, 5: gangs, 6: constraints}
    for number, content in fields_of(pieces[0] if len(pieces) == 1 else b"".join(pieces), _REPLY):
        if isinstance(content, int):
            version = content if number == 1 else version
        elif (entries := lists.get(number)) is not None:
            entries.append(content)
        elif number == _SESSION:
            session = content
    bounded(len(nodes), bounds.MOST_NODES, "nodes")
    bounded(len(gangs), bounds.MOST_GANGS, "placement groups")
    bounded(len(constraints), bounds.MOST_CONSTRAINTS, "lists of request_resources")
    reading = _Reading()
    state = RayState(
        session=named(_text(session)),
        version=version if version < _SIGN else version - 2 * _SIGN,
        nodes=tuple(sorted(map(reading.node, nodes), key=_by_id)),
        demands=reading.demands(demands),
        gangs=tuple(
            sorted(
                map(reading.gang, gangs), key=lambda gang: (gang.name, gang.strategy, _order(gang.bundles))
            )
        ),
        constraints=tuple(sorted(map(reading.constraint, constraints), key=_order)),
    )
    return replace(state, size=reading.size(len(raw)))


def drain_from(raw: bytes) -> Drain:
    """The answer in a DrainNodeReply. Raises `Unbelievable`."""
    reply = decoded(ray_pb2.DrainNodeReply, raw)
    return Drain(reply.is_accepted, "" if reply.is_accepted else reply.rejection_reason_message)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Unbelievable(f"not a {_REPLY}: a string is not UTF-8") from None


def _by_id(node: RayNode) -> bytes:
    return node.node_id


def _order(demands: Iterable[Demand]) -> list[tuple[Shape, int]]:
    return [(demand.shape, demand.count) for demand in demands]


def _node_parts(total: int, available: int, labels: int, activity: int) -> int:
    """How many parts a node counts as."""
    if total > bounds.MOST_NODE_RESOURCES or available > bounds.MOST_NODE_RESOURCES:
        bounded(max(total, available), bounds.MOST_NODE_RESOURCES, "resources of a node")
    if labels > bounds.MOST_LABELS:
        bounded(labels, bounds.MOST_LABELS, "labels of a node")
    if activity > bounds.MOST_ACTIVITIES:
        bounded(activity, bounds.MOST_ACTIVITIES, "activities of a node")
    return total + available + labels + activity + 1


def _with_names_in_bounds(node: RayNode) -> RayNode:
    """Check the names of a large node. Its texts are cut instead, as nothing depends on them."""
    for name in (node.instance_id, node.group, node.ip, *(key for key, _ in node.total + node.available)):
        named(name)
    for key, value in node.labels:
        named(key)
        named(value)
    return replace(node, activity=tuple([text[: bounds.LONGEST_NAME] for text in node.activity]))


class _Reading:
    """Reads one answer, and counts what it has held so far."""

    __slots__ = ("_bundles", "_keys", "_names", "_parts", "_requests", "_shapes")

    def __init__(self) -> None:
        self._parts = Parts()
        self._shapes: dict[bytes, Shape] = {}
        """By their bytes: the bundles of a placement group are usually equal."""
        self._names: set[str] = set()
        self._keys: set[str] = set()
        self._bundles = 0
        self._requests = 0

    def size(self, raw: int) -> int:
        """An upper estimate of the memory taken by what was read from `raw` bytes."""
        return self._parts.count * bounds.BYTES_OF_A_PART + raw * bounds.BYTES_OF_TEXT

    def node(self, raw: bytes) -> RayNode:
        node = unpacked(ray_pb2.NodeState, raw, "a node")
        node_id, activity = node.node_id, node.node_activity
        total, available, labels = node.total_resources, node.available_resources, node.labels
        if len(node_id) != NODE_ID_BYTES:
            raise Unbelievable(f"a node's id has {len(node_id)} bytes instead of {NODE_ID_BYTES}")
        self._parts.add(_node_parts(len(total), len(available), len(labels), len(activity)))
        status = _STATUS.get(node.status, NodeStatus.RUNNING)
        has, left = _amounts(total), _amounts(available, below_zero=True)
        read = RayNode(
            node_id=node_id,
            instance_id=intern(node.instance_id),
            group=intern(node.ray_node_type_name),
            status=status,
            total=has,
            # On an idle node both are equal, and share one object.
            available=has if left == has else left,
            labels=tuple(sorted([(intern(key), intern(value)) for key, value in labels.items()])),
            idle_seconds=max(node.idle_duration_ms, 0) / 1000 if status is NodeStatus.IDLE else 0.0,
            ip=node.node_ip_address,
            activity=tuple(sorted(map(intern, activity))) if activity else (),
        )
        return read if len(raw) <= bounds.LONGEST_NAME else _with_names_in_bounds(read)

    def demands(self, requests: Iterable[bytes]) -> tuple[Demand, ...]:
        """The requests, sorted, each shape once."""
        counts: dict[Shape, int] = {}
        for raw in requests:
            self._requests += 1
            if self._requests > bounds.MOST_SHAPES:
                raise TooMuch(f"it has more than {bounds.MOST_SHAPES} requests, which is the most read")
            each = unpacked(ray_pb2.ResourceRequestByCount, raw, "a request")
            if not 0 <= each.count <= MOST_EQUAL:
                raise Unbelievable(f"a request has a count of {each.count}")
            if each.count:
                shape = self._shape(each.request)
                counts[shape] = counts.get(shape, 0) + each.count
        return tuple(Demand(shape, counts[shape]) for shape in sorted(counts))

    def constraint(self, raw: bytes) -> tuple[Demand, ...]:
        """One list of `request_resources`."""
        self._parts.add(1)
        return self.demands(_entries(raw, 1, "ClusterResourceConstraint"))

    def gang(self, raw: bytes) -> Gang:
        """A placement group. `details` reads `7ef3...:STRICT_SPREAD|PENDING`; an unknown strategy is PACK."""
        details, requests, selectors = b"", list[bytes](), list[bytes]()
        for number, content in fields_of(raw, "GangResourceRequest"):
            if isinstance(content, int):
                continue
            if number == 1:
                requests.append(content)
            elif number == 2:  # noqa: PLR2004 - numbers of fields, as in ray.proto
                details = content
            elif number == 3:  # noqa: PLR2004
                selectors.append(content)
        name, _, rest = _text(details).partition(":")
        self._parts.add(1)
        bounded(len(selectors), bounds.MOST_CHOICES, "alternatives for one placement group")
        choices = [self._choice(selector) for selector in selectors]
        if not choices or not choices[0].bundles:
            # An older head has the bundles in a list of their own.
            choices[:1] = [Choice(self._counted(requests), choices[0].locality if choices else None)]
        return Gang(
            name=named(name),
            strategy=_STRATEGY.get(rest.partition("|")[0], Strategy.PACK),
            bundles=choices[0].bundles,
            locality=choices[0].locality,
            others=tuple(choice for choice in choices[1:] if choice.bundles),
        )

    def _choice(self, raw: bytes) -> Choice:
        """One alternative for a placement group."""
        locality = _entries(raw, 2, "BundleSelector")
        return Choice(
            self._counted(_entries(raw, 1, "BundleSelector")),
            # A message that comes in pieces is their concatenation.
            self._locality(b"".join(locality)) if locality else None,
        )

    def _counted(self, bundles: Sequence[bytes]) -> tuple[Demand, ...]:
        self._bundles += len(bundles)
        bounded(self._bundles, bounds.MOST_BUNDLES, "bundles of placement groups")
        counts: dict[Shape, int] = {}
        for each in bundles:
            shape = self._shapes.get(each)
            if shape is None:
                request = unpacked(ray_pb2.ResourceRequest, each, "a bundle")
                shape = self._shapes[each] = self._shape(request)
            counts[shape] = counts.get(shape, 0) + 1
        self._parts.add(len(counts))
        return tuple(Demand(shape, counts[shape]) for shape in sorted(counts))

    def _locality(self, raw: bytes) -> Locality | None:
        """One value of a label for all bundles, or a different one for each; SPREAD requires nothing."""
        asked = unpacked(ray_pb2.LocalityRequirement, raw, "a locality")
        strategy, among = asked.locality_constraint.placement_strategy, self._selector(asked.label_selector)
        label = intern(named(asked.locality_constraint.label_name))
        if not label or strategy == _SPREAD:
            return Locality("", among=among) if among else None
        self._keys.add(label)
        bounded(len(self._keys), bounds.MOST_KEYS, "labels that are selected by")
        if strategy not in {*_TOGETHER, _APART}:
            # As with label conditions: no node satisfies a strategy that we do not know.
            return Locality(label, among=(*among, LabelConstraint(label, ())))
        return Locality(label, strategy == _APART, among)

    def _shape(self, request: ray_pb2.ResourceRequest) -> Shape:
        bounded(len(request.resources_bundle), bounds.MOST_RESOURCES, "resources of a request")
        bounded(len(request.label_selectors), bounds.MOST_ALTERNATIVES, "label selectors of a request")
        self._parts.add(len(request.resources_bundle) + 2)
        resources = _amounts(request.resources_bundle)
        self._names.update([named(name) for name, _ in resources])
        bounded(len(self._names), bounds.MOST_NAMES, "resources that are asked for")
        selectors = tuple(map(self._selector, request.label_selectors))
        # If the first selector matches any node, the others never matter.
        return Shape(resources, selectors if selectors and selectors[0] else ())

    def _selector(self, selector: ray_pb2.LabelSelector) -> LabelSelector:
        bounded(len(selector.label_constraints), bounds.MOST_CONDITIONS, "conditions of a label selector")
        return tuple(sorted(map(self._condition, selector.label_constraints)))

    def _condition(self, condition: ray_pb2.LabelConstraint) -> LabelConstraint:
        values = condition.label_values
        self._parts.add(bounded(len(values), bounds.MOST_VALUES, "values of a label") + 1)
        key = intern(named(condition.label_key))
        self._keys.add(key)
        bounded(len(self._keys), bounds.MOST_KEYS, "labels that are selected by")
        return LabelConstraint(
            key,
            # No node satisfies a condition that we do not know: waiting is better than a wrong node.
            tuple(sorted(map(named, values))) if condition.operator in {_IN, _NOT_IN} else (),
            condition.operator == _NOT_IN,
        )


def _entries(raw: bytes, wanted: int, what: str) -> list[bytes]:
    return [part for number, part in fields_of(raw, what) if number == wanted and isinstance(part, bytes)]


def _amounts(amounts: Mapping[str, float], *, below_zero: bool = False) -> Resources:
    """The amounts, sorted, without those that are 0.

    `below_zero`: blocked workers lend out their CPUs, so when they resume Ray may have less than 0 left.
    """
    kept = []
    for name, amount in amounts.items():
        if 0 < amount <= MOST:
            kept.append((intern(name), amount))
        elif not (below_zero and -inf < amount < 0) and amount != 0:
            raise Unbelievable(f"{amount:g} is not a possible amount of the resource {name[:60]!r}")
    kept.sort()
    return tuple(kept)
