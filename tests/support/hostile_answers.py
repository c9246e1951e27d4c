"""Answers of heads at the bound of each dimension, and a little beyond it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from rayfleet.ray.gcs import bounds
from rayfleet.ray.gcs.protocol import ray_pb2
from support.stand_in_gcs import node, state

Reply: TypeAlias = ray_pb2.GetClusterResourceStateReply


def _request(**resources: float) -> ray_pb2.ResourceRequest:
    return ray_pb2.ResourceRequest(resources_bundle=resources)


def _waiting(*requests: ray_pb2.ResourceRequest) -> Reply:
    reply = state()
    for each in requests:
        reply.cluster_resource_state.pending_resource_requests.add(request=each, count=1)
    return reply


def _one_node(**fields: Any) -> Reply:
    one = node("w-1")
    for name, value in fields.items():
        one.ClearField(name)
        kept = getattr(one, name)
        if isinstance(value, str):
            setattr(one, name, value)
        elif isinstance(value, list):
            kept.extend(value)
        else:
            kept.update(value)
    return state(one)


def _selecting(*conditions: Mapping[str, int]) -> Reply:
    """One request with these alternatives, each of labels with their numbers of values."""
    request = _request(GPU=1.0)
    for one in conditions:
        selector = request.label_selectors.add()
        for key, values in one.items():
            selector.label_constraints.add(
                label_key=key, operator=1, label_values=[f"v{v}" for v in range(values)]
            )
    return _waiting(request)


def _gangs(number: int, bundles: int) -> Reply:
    reply = state()
    for n in range(number):
        whole = ray_pb2.BundleSelector(resource_requests=[_request(GPU=1.0)] * bundles)
        reply.cluster_resource_state.pending_gang_resource_requests.add(
            details=f"{n:x}:PACK|PENDING", bundle_selectors=[whole]
        )
    return reply


def _constraints(number: int, requests: int) -> Reply:
    reply = state()
    for n in range(number):
        one = reply.cluster_resource_state.cluster_resource_constraints.add()
        for r in range(requests):
            one.resource_requests.add(request=_request(CPU=1.0 + n + r), count=1)
    return reply


def _names(number: int) -> dict[str, float]:
    return {f"r{n}": 1.0 for n in range(number)}


def _parts(number: int) -> Reply:
    """Nodes of 251 parts each, the last one of what is left."""
    nodes = []
    for n, first in enumerate(range(0, number, 251)):
        one = node(f"w-{n}")
        one.ClearField("labels")
        one.labels.update({f"l{label}": f"{n}" for label in range(min(251, number - first) - 1)})
        nodes.append(one)
    return state(*nodes)


EXACT: Final[Mapping[str, tuple[int, Callable[[int], Reply]]]] = {
    "nodes": (bounds.MOST_NODES, lambda n: state(*(node(f"w-{i}") for i in range(n)))),
    "resources of a node": (bounds.MOST_NODE_RESOURCES, lambda n: _one_node(total_resources=_names(n))),
    "free resources": (bounds.MOST_NODE_RESOURCES, lambda n: _one_node(available_resources=_names(n))),
    "labels of a node": (bounds.MOST_LABELS, lambda n: _one_node(labels={f"l{i}": "" for i in range(n)})),
    "activities": (bounds.MOST_ACTIVITIES, lambda n: _one_node(node_activity=[f"a{i}" for i in range(n)])),
    "a node's resource's name": (bounds.LONGEST_NAME, lambda n: _one_node(total_resources={"r" * n: 1.0})),
    "a node's free resource's name": (
        bounds.LONGEST_NAME,
        lambda n: _one_node(available_resources={"r" * n: 1.0}),
    ),
    "a label's key": (bounds.LONGEST_NAME, lambda n: _one_node(labels={"k" * n: ""})),
    "a label's value": (bounds.LONGEST_NAME, lambda n: _one_node(labels={"k": "v" * n})),
    "a pod's name": (bounds.LONGEST_NAME, lambda n: _one_node(instance_id="p" * n)),
    "a group's name": (bounds.LONGEST_NAME, lambda n: _one_node(ray_node_type_name="g" * n)),
    "an address": (bounds.LONGEST_NAME, lambda n: _one_node(node_ip_address="1" * n)),
    "a session": (bounds.LONGEST_NAME, lambda n: state(session="s" * n)),
    "shapes": (bounds.MOST_SHAPES, lambda n: _waiting(*(_request(CPU=1.0 + i) for i in range(n)))),
    "resources of a request": (bounds.MOST_RESOURCES, lambda n: _waiting(_request(**_names(n)))),
    "a requested resource's name": (bounds.LONGEST_NAME, lambda n: _waiting(_request(**{"r" * n: 1.0}))),
    "names": (bounds.MOST_NAMES, lambda n: _waiting(*(_request(**{f"r{i}": 1.0}) for i in range(n)))),
    "alternatives": (bounds.MOST_ALTERNATIVES, lambda n: _selecting(*({"zone": 1} for _ in range(n)))),
    "conditions": (bounds.MOST_CONDITIONS, lambda n: _selecting({f"l{i}": 1 for i in range(n)})),
    "values": (bounds.MOST_VALUES, lambda n: _selecting({"zone": n})),
    "a selected label's key": (bounds.LONGEST_NAME, lambda n: _selecting({"k" * n: 1})),
    "labels selected by": (
        bounds.MOST_KEYS,
        lambda n: _selecting(*({f"l{i}": 1 for i in range(f, min(f + 16, n))} for f in range(0, n, 16))),
    ),
    "placement groups": (bounds.MOST_GANGS, lambda n: _gangs(n, 1)),
    "bundles": (bounds.MOST_BUNDLES, lambda n: _gangs(1, n)),
    "lists of request_resources": (bounds.MOST_CONSTRAINTS, lambda n: _constraints(n, 1)),
    "requests of request_resources": (bounds.MOST_SHAPES, lambda n: _constraints(1, n)),
    "parts": (bounds.MOST_PARTS, _parts),
}
"""For each dimension its bound, and a function that makes an answer of a given size."""


def _blown_up(number: int) -> dict[str, bytes]:
    """Empty entries: two bytes each, and far more once they are parsed."""

    def within(outer: bytes, content: bytes) -> bytes:
        return outer + _varint(len(content)) + content

    empty = {name: tag * number for name, tag in _EMPTY.items()}
    found = {name: within(b"\x0a", raw) for name, raw in empty.items() if name not in _NESTED}
    for name, path in _NESTED.items():
        raw = empty[name]
        for tag in path:
            raw = within(tag, raw)
        found[name] = within(b"\x0a", raw)
    return found


_EMPTY: Final = {
    "nodes": b"\x1a\x00",
    "requests": b"\x22\x00",
    "gangs": b"\x2a\x00",
    "constraints": b"\x32\x00",
    "unknown": b"\x7a\x00",
    "activities": b"\x62\x00",
    "bundles": b"\x0a\x00",
    "bundle selectors": b"\x1a\x00",
    "alternatives": b"\x1a\x00",
}
_NESTED: Final = {
    "activities": (b"\x1a",),
    "bundles": (b"\x2a",),
    "bundle selectors": (b"\x2a",),
    "alternatives": (b"\x0a", b"\x22"),
}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def blown_up() -> dict[str, bytes]:
    """Answers as large as is read, of nothing but empty entries of one kind."""
    return _blown_up((bounds.LARGEST_ANSWER - 64) // 2)
