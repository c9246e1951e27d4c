"""Drawn clusters with a queue: groups, nodes that are partly used, and demand of every kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from rayfleet.api.names import HEAD_GROUP
from rayfleet.autoscaling import Worker, WorkerGroup
from rayfleet.ray.state import (
    Demand,
    Gang,
    LabelConstraint,
    NodeStatus,
    RayNode,
    RayState,
    Resources,
    Shape,
    Strategy,
)

LabelSelectors: TypeAlias = tuple[tuple[LabelConstraint, ...], ...]

ACCELERATOR = "ray.io/accelerator-type"
ZONE = "ray.io/availability-zone"
MARKET = "ray.io/market-type"


@dataclass(frozen=True, slots=True)
class Case:
    """The input of both schedulers."""

    seed: int
    groups: tuple[WorkerGroup, ...]
    workers: tuple[Worker, ...]
    ray: RayState


def resources(**amounts: float) -> Resources:
    """`resources(CPU=1, GPU=0.5)`; nothing for an amount of 0."""
    return tuple(sorted((name, float(amount)) for name, amount in amounts.items() if amount))


def node(name: str, group: str, total: Resources, **fields: Any) -> RayNode:
    """A running Ray node with everything free, unless said otherwise."""
    given: dict[str, Any] = {
        "node_id": name.encode().ljust(28, b"\0")[:28],
        "instance_id": name,
        "group": group,
        "status": NodeStatus.RUNNING,
        "total": total,
        "available": total,
        "labels": (),
        "idle_seconds": 0.0,
        "ip": "10.0.0.1",
        "activity": (),
    }
    return RayNode(**(given | fields))


def tasks(count: int, *selectors: tuple[LabelConstraint, ...], **amounts: float) -> Demand:
    """`tasks(3, CPU=1, GPU=0.5)`: equal tasks that wait."""
    return Demand(Shape(resources(**amounts), selectors), count)


def state(
    *demands: Demand,
    nodes: Iterable[RayNode] = (),
    gangs: Iterable[Gang] = (),
    constraints: Iterable[tuple[Demand, ...]] = (),
) -> RayState:
    """The state that Ray reports."""
    return RayState("session", 1, tuple(nodes), demands, tuple(gangs), tuple(constraints))


def idle(name: str, group: WorkerGroup, seconds: float) -> RayNode:
    """A node of the group that has been idle for so long."""
    return node(name, group.name, group.resources, status=NodeStatus.IDLE, idle_seconds=seconds)


def busy(name: str, group: WorkerGroup, **free: float) -> RayNode:
    """A node of the group with so much free."""
    return node(name, group.name, group.resources, available=resources(**free))


def pods(*nodes: RayNode) -> tuple[Worker, ...]:
    """The pods of these nodes."""
    return tuple(Worker(one.instance_id, one.group, since=0) for one in nodes)


def draw(seed: int) -> Case:
    """The same case for the same seed, always."""
    random = Random(seed)  # noqa: S311 - drawn, not secret
    groups = tuple(_group(random, index) for index in range(random.randint(1, 5)))
    workers: list[Worker] = []
    nodes: list[RayNode] = []
    if random.random() < 0.3:
        total = resources(CPU=random.choice([0, 2, 4]), memory=8 << 30)
        nodes.append(node("head", HEAD_GROUP, total))
    for group in groups:
        for index in range(random.randint(0, min(group.max_replicas, random.choice([0, 4, 8])))):
            name = f"{group.name}-{index}"
            workers.append(Worker(name, group.name, since=0))
            if random.random() < 0.75:
                free = _partly(random, group.resources)
                nodes.append(node(name, group.name, group.resources, available=free, labels=group.labels))
    ray = RayState(
        session="s",
        version=1,
        nodes=tuple(nodes),
        demands=tuple(
            _demand(random, random.choice([3, 12, 40])) for _ in range(random.choice([0, 1, 2, 3, 5, 8]))
        ),
        gangs=tuple(_gang(random, f"pg{i}") for i in range(random.choice([0, 0, 0, 1, 2, 3]))),
        constraints=_constraints(random),
    )
    return Case(seed, groups, tuple(workers), ray)


def _group(random: Random, index: int) -> WorkerGroup:
    cpus = random.choice([1, 2, 4, 8, 16, 32])
    gpus = random.choice([0, 0, 1, 2, 4, 8])
    extra: dict[str, float] = {}
    if random.random() < 0.3:
        extra["memory"] = float(random.choice([4, 16, 64]) << 30)
    if random.random() < 0.2:
        extra["custom"] = random.choice([1, 2, 10])
    labels = {}
    if gpus:
        labels[ACCELERATOR] = random.choice(["A100", "H100", "L4"])
    if random.random() < 0.5:
        labels[ZONE] = random.choice(["a", "b"])
    if random.random() < 0.3:
        labels[MARKET] = random.choice(["spot", "on-demand"])
    most = random.choice([1, 3, 5, 10, 20, 50])
    return WorkerGroup(
        name=f"g{index}",
        resources=resources(CPU=cpus, GPU=gpus, **extra),
        labels=tuple(sorted(labels.items())),
        min_replicas=random.choice([0, 0, 0, 1, min(2, most)]),
        max_replicas=most,
        priority=random.choice([0, 0, 0, 1, 5]),
    )


def _partly(random: Random, total: Resources) -> Resources:
    share = random.choice([0, 0, 0.25, 0.5, 0.5, 0.75, 1, 1])
    free = [(name, float(int(amount * share)) if amount > 1 else amount * share) for name, amount in total]
    return tuple((name, amount) for name, amount in free if amount > 0)


def _shape(random: Random) -> Shape:
    kind = random.random()
    if kind < 0.4:
        asked = resources(CPU=random.choice([0.5, 1, 1, 2, 3, 4, 8]))
    elif kind < 0.75:
        asked = resources(
            CPU=random.choice([0, 1, 1, 2, 4]), GPU=random.choice([0.1, 0.25, 0.5, 1, 1, 2, 4, 8])
        )
    elif kind < 0.86:
        asked = resources(CPU=random.choice([1, 2]), memory=float(random.choice([1, 3, 8]) << 30))
    elif kind < 0.94:
        asked = resources(CPU=random.choice([0, 1]), custom=random.choice([1, 1, 2, 5]))
    elif kind < 0.96:
        asked = resources(CPU=random.choice([64, 1]), GPU=random.choice([16, 0]), rare=random.choice([0, 1]))
    else:
        asked = resources(CPU=random.choice([0.1, 0.3, 1.5]), GPU=random.choice([0, 0.3, 0.33]))
    return Shape(asked or resources(CPU=1), _selectors(random))


def _selectors(random: Random) -> LabelSelectors:
    if random.random() < 0.8:
        return ()
    return tuple(
        tuple(sorted({_condition(random) for _ in range(random.choice([1, 1, 2]))}))
        for _ in range(random.choice([1, 1, 2]))
    )


def _condition(random: Random) -> LabelConstraint:
    key, values = random.choice(
        [(ACCELERATOR, ["A100", "H100", "L4"]), (ZONE, ["a", "b"]), (MARKET, ["spot"])]
    )
    chosen = tuple(sorted(random.sample(values, random.randint(1, min(2, len(values))))))
    return LabelConstraint(key, chosen, random.random() < 0.25)


def _demand(random: Random, most: int) -> Demand:
    return Demand(_shape(random), random.randint(1, most))


def _gang(random: Random, name: str) -> Gang:
    strategy = random.choice(list(Strategy))
    if strategy is Strategy.STRICT_PACK:
        selectors = _selectors(random)
        bundles = [Demand(Shape(_shape(random).resources, selectors), random.randint(1, 2)) for _ in range(2)]
    else:
        bundles = [_demand(random, 4) for _ in range(random.randint(1, 3))]
    return Gang(name, strategy, tuple(bundles))


def _constraints(random: Random) -> tuple[tuple[Demand, ...], ...]:
    if random.random() < 0.75:
        return ()
    return (tuple(Demand(Shape(_shape(random).resources), random.randint(1, 4)) for _ in range(2)),)
