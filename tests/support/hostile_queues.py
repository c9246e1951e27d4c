"""The most expensive queues that a head may report: each dimension at its bound, then all of them."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from rayfleet.autoscaling import WorkerGroup
from rayfleet.ray.gcs import bounds
from rayfleet.ray.gcs.protocol import ray_pb2
from support.stand_in_gcs import node, state

Reply = ray_pb2.GetClusterResourceStateReply
GROUPS: Final = [
    WorkerGroup(
        f"g{i:02}",
        tuple(sorted({"CPU": 4.0 + i, "GPU": float(i % 9), "memory": 1e10 * (1 + i)}.items())),
        (("zone", "abcd"[i % 4]),),
        max_replicas=10_000,
    )
    for i in range(100)
]


def _many_nodes(reply: Reply, count: int, random: Random) -> None:
    """Head nodes, because they need no pod; no two are alike."""
    for index in range(count):
        one = node(f"h-{index}", status=1)
        one.ClearField("labels")
        one.ray_node_type_name = "headgroup"
        one.labels["zone"] = f"z{index % 250}"
        one.total_resources.update({"CPU": 64.0, "memory": 1e12, "GPU": 8.0})
        free = {"CPU": random.randint(1, 640) / 10, "memory": float(random.randint(1, 10**12)), "GPU": 1.0}
        one.available_resources.update(free)
        reply.cluster_resource_state.node_states.append(one)


def _request(
    random: Random, *, resources: int = 3, alternatives: int = 0, conditions: int = 1
) -> ray_pb2.ResourceRequest:
    amounts = {"CPU": random.randint(1, 40) / 10, "memory": float(random.randint(1, 10**10)), "GPU": 0.25}
    amounts |= {f"r{random.randrange(250)}": 1.0 for _ in range(resources - 3)}
    request = ray_pb2.ResourceRequest(resources_bundle=amounts)
    for _ in range(alternatives):
        selector = request.label_selectors.add()
        for _ in range(conditions):
            selector.label_constraints.add(
                label_key="zone",
                operator=1,
                label_values=[f"z{random.randrange(250)}", f"q{random.randrange(9)}"],
            )
    return request


def _tasks(reply: Reply, count: int, random: Random, **shape: int) -> None:
    for _ in range(count):
        request = _request(random, **shape)
        reply.cluster_resource_state.pending_resource_requests.add(
            request=request, count=random.randint(1, 9999)
        )


def _gangs(
    reply: Reply, count: int, bundles: int, random: Random, strategy: str = "PACK", **shape: int
) -> None:
    for n in range(count):
        whole = ray_pb2.BundleSelector(resource_requests=[_request(random, **shape) for _ in range(bundles)])
        reply.cluster_resource_state.pending_gang_resource_requests.add(
            details=f"{n:x}:{strategy}|PENDING", bundle_selectors=[whole]
        )


def _constraints(reply: Reply, count: int, each: int, random: Random) -> None:
    for _ in range(count):
        one = reply.cluster_resource_state.cluster_resource_constraints.add()
        for _ in range(each):
            one.resource_requests.add(request=_request(random), count=random.randint(1, 99))


def _of(*parts: Callable[[Reply, Random], None]) -> Reply:
    reply, random = state(), Random(1)  # noqa: S311 - drawn, not secret
    for part in parts:
        part(reply, random)
    return reply


QUEUES: Final[Mapping[str, Callable[[], Reply]]] = {
    "nodes and shapes": lambda: _of(
        lambda reply, random: _many_nodes(reply, bounds.MOST_NODES, random),
        lambda reply, random: _tasks(reply, bounds.MOST_SHAPES, random),
    ),
    "shapes": lambda: _of(lambda reply, random: _tasks(reply, bounds.MOST_SHAPES, random)),
    "alternatives": lambda: _of(
        lambda reply, random: _many_nodes(reply, 1_000, random),
        lambda reply, random: _tasks(
            reply, 1_000, random, alternatives=bounds.MOST_ALTERNATIVES, conditions=1
        ),
    ),
    "resources": lambda: _of(
        lambda reply, random: _many_nodes(reply, 2_000, random),
        lambda reply, random: _tasks(reply, 1_000, random, resources=bounds.MOST_RESOURCES),
    ),
    "gangs of two": lambda: _of(
        lambda reply, random: _many_nodes(reply, bounds.MOST_NODES, random),
        lambda reply, random: _gangs(reply, bounds.MOST_GANGS, 2, random),
    ),
    "gangs apart": lambda: _of(
        lambda reply, random: _many_nodes(reply, 2_000, random),
        lambda reply, random: _gangs(reply, 100, 100, random, "STRICT_SPREAD"),
    ),
    "a gang on one node": lambda: _of(
        lambda reply, random: _gangs(reply, 2, 1_000, random, "STRICT_PACK", alternatives=3, conditions=3)
    ),
    "request_resources": lambda: _of(
        lambda reply, random: _many_nodes(reply, bounds.MOST_NODES, random),
        lambda reply, random: _constraints(reply, bounds.MOST_CONSTRAINTS, 40, random),
    ),
    "all together": lambda: _of(
        lambda reply, random: _many_nodes(reply, 3_000, random),
        lambda reply, random: _tasks(reply, 2_000, random, alternatives=2),
        lambda reply, random: _gangs(reply, 1_000, 2, random),
        lambda reply, random: _constraints(reply, bounds.MOST_CONSTRAINTS, 20, random),
    ),
}
"""Answers that are accepted, so that decisions have to be made about them."""


def some_of_everything() -> Reply:
    """Some of each kind of demand, as much as is decided about in a moment."""
    return _of(
        lambda reply, random: _many_nodes(reply, 20, random),
        lambda reply, random: _tasks(reply, 20, random, alternatives=2),
        lambda reply, random: _gangs(reply, 20, 2, random),
        lambda reply, random: _gangs(reply, 3, 5, random, "STRICT_SPREAD"),
        lambda reply, random: _constraints(reply, 4, 5, random),
    )


def gangs_of_two(count: int, nodes: int) -> Reply:
    """None of them can be placed: a bundle is larger than any node."""
    reply = _of(lambda reply, random: _many_nodes(reply, nodes, random))
    for n in range(count):
        asked = [{"CPU": 1.0 + n, "GPU": gpus} for gpus in (1.0, 99.0)]
        whole = ray_pb2.BundleSelector(
            resource_requests=[ray_pb2.ResourceRequest(resources_bundle=one) for one in asked]
        )
        reply.cluster_resource_state.pending_gang_resource_requests.add(
            details=f"{n:x}:PACK|PENDING", bundle_selectors=[whole]
        )
    return reply
