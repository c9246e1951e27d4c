"""The time of a decision depends on distinct shapes and nodes, not on all of them."""

import time
from random import Random

import pytest

from checks.pace import slowdown
from rayfleet.autoscaling import AutoscalingPolicy, Memory, Worker, WorkerGroup, decide
from rayfleet.ray.state import Demand, LabelConstraint, RayNode, RayState
from support.demand_cases import node, resources, tasks

MARGIN = 2
"""Slack between two machines of equal speed; a slower one gets more in proportion."""
ZONE = (LabelConstraint("zone", ("a",)),)
CASES = [
    pytest.param(1_000, 50, 1_000, 0.1, id="1,000 nodes in 50 states, 1,000 shapes"),
    pytest.param(10_000, 50, 100, 0.3, id="10,000 nodes in 50 states, 100 shapes"),
    pytest.param(1_000, 1_000, 1_000, 2.0, id="1,000 nodes that all differ, 1,000 shapes"),
]


def groups() -> list[WorkerGroup]:
    return [
        WorkerGroup(
            f"g{i}",
            resources(CPU=2 ** (i % 6 + 1), GPU=[0, 1, 4, 8, 0][i % 5], memory=float((4 << i % 5) << 30)),
            (("zone", "ab"[i % 2]),),
            max_replicas=2000,
        )
        for i in range(10)
    ]


def nodes(random: Random, count: int, states: int) -> list[RayNode]:
    """Partly used nodes; address and id differ for each, as they do for Ray."""
    kinds = []
    for index in range(states):
        group = groups()[index % 10]
        free = tuple((name, float(int(amount * random.random()))) for name, amount in group.resources)
        kinds.append((group, free if states <= 50 else (*free, ("state", float(index)))))
    made = []
    for index in range(count):
        group, free = kinds[index % states]
        address = (f"node:10.0.{index // 250}.{index % 250}", 1.0)
        made.append(
            node(
                f"p{index}",
                group.name,
                (*group.resources, address),
                available=(*free, address),
                labels=(*group.labels, ("ray.io/node-id", f"{index:056x}")),
            )
        )
    return made


def demand(random: Random, shapes: int) -> tuple[Demand, ...]:
    """Demand of so many different shapes."""
    found: dict[object, Demand] = {}
    while len(found) < shapes:
        kind = random.random()
        one = tasks(
            random.randint(1, 20),
            *([ZONE] if random.random() < 0.1 else []),
            CPU=random.randint(1, 160) / 10,
            GPU=random.choice([0, 0, 0.25, 0.5, 1, 2, 4]) if kind < 0.6 else 0,
            memory=float(random.randint(1, 12) << 28) if kind > 0.4 else 0,
        )
        found[one.shape] = one
    return tuple(found.values())


@pytest.mark.parametrize(("count", "states", "shapes", "bound"), CASES)
def test_a_decision_takes_no_longer_than_its_bound(
    count: int, states: int, shapes: int, bound: float
) -> None:
    """Bounds are in seconds of CPU time."""
    random = Random(1)  # noqa: S311 - drawn, not secret
    ray = RayState("s", 1, tuple(nodes(random, count, states)), demand(random, shapes), (), ())
    workers = [Worker(one.instance_id, one.group, 0) for one in ray.nodes]
    taken = []
    for _ in range(3):
        started = time.process_time()
        decide(ray, groups(), workers, AutoscalingPolicy(), Memory(), now=0)
        taken.append(time.process_time() - started)
    assert min(taken) < bound * MARGIN * slowdown()
