"""Whole manifests, including the examples: each created, then running, then served, in full."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from golden import kubelet, ray_side
from golden.adapter import Operator, bodies
from golden.aspects import aspects_of, metadata_of, plain
from golden.kubelet import Json
from golden.ray_side import RaySide
from golden.world import World

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
CASES: Final = ROOT / "tests/golden/cases"
_QUEUES: Final = {"four-groups.yaml": "ten-shapes.yaml", "three-gpus.yaml": "gang.yaml"}
"""The files with the demand of examples."""
_ANY_QUEUE: Final = {"tasks": [{"count": 2, "resources": {"GPU": 1}}]}
_SECONDS: Final = 10.0
"""Between passes."""


class Manifest(NamedTuple):
    """A RayCluster as its user applies it, and what waits in its queue."""

    name: str
    object: Json
    demand: Json


def manifests() -> Iterator[Manifest]:
    """The examples, then the cases."""
    for path in (*sorted(EXAMPLES.rglob("*.yaml")), *sorted(CASES.glob("*.yaml"))):
        documents = list(yaml.safe_load_all(path.read_text()))
        if documents[0].get("kind") != "RayCluster":
            continue
        if path.name in _QUEUES:
            documents += yaml.safe_load_all((path.parent / _QUEUES[path.name]).read_text())
        demand = documents[1] if len(documents) > 1 else _ANY_QUEUE
        folder = path.parent.relative_to(ROOT).as_posix()
        place = folder.removeprefix("tests/golden/").replace("/", "-")
        yield Manifest(f"{place}-{path.stem}", documents[0], demand)


def account_of(manifest: Manifest) -> Json:
    """What the operator does with it."""
    given = manifest.object["metadata"]
    world = World(manifest.object["spec"], given)
    found = plain(bodies(world.cluster))
    pods: Mapping[str, Json] = found.get("pods", {})
    services: Sequence[Json] = found.get("services", ())
    each = [{"kind": "Pod", **pod} for pod in pods.values()]
    each += [{"kind": "Service", "body": body} for body in services]
    specs = {group: pod["body"]["spec"] for group, pod in pods.items()}
    specs |= {body["metadata"]["name"]: body["spec"] for body in services}
    return {
        "names": [metadata_of(one["kind"], one["body"]) for one in each],
        "bodies": specs,
        "hashes": {group: pod["templateHash"] for group, pod in pods.items()},
        "passes": {after: _shortened(of, specs) for after, of in _passes(world, manifest.demand)},
    }


def _passes(world: World, demand: Json) -> Iterator[tuple[str, Json]]:
    """What happened before each pass, and its result."""
    operator, ray = Operator({}), RaySide()
    elastic = world.cluster["spec"].get("enableInTreeAutoscaling") is True
    yield "made", _pass(world, operator)
    for after in ("running", "served"):
        world.wait(_SECONDS)
        for name, pod in world.pods.items():
            if not pod["status"].get("containerStatuses"):
                world.becomes(name, kubelet.ready)
            ray.join(pod, world.cluster["spec"]["workerGroupSpecs"], world.now)
        if elastic:
            _queue(ray, demand, served=after == "served")
            world.around["ray"] = ray.answer(world.now, world.pods)
        there = set(world.pods)
        yield after, _pass(world, operator)
        if set(world.pods) == there:
            return


def _pass(world: World, operator: Operator) -> Json:
    planned = plain(operator.decide(world.seen()))
    world.around.pop("ray", None)
    outcomes = world.carry_out(planned["actions"], lambda _: None)
    visible = plain(operator.conclude(world.seen(), outcomes))
    world.set_status(visible["status"])
    return aspects_of(planned, visible)


def _queue(ray: RaySide, demand: Json, *, served: bool) -> None:
    """Set what waits, or let all of it run."""
    for node in ray.nodes.values():
        node.status = ray_side.RUNNING if served and node.group != "headgroup" else ray_side.IDLE
    tasks = () if served else demand.get("tasks", ())
    gangs = () if served else demand.get("gangs", ())
    ray.tasks = [
        ray_side.demand(ray_side.amounts(one["resources"]), one.get("count", 1), *_selectors(one))
        for one in tasks
    ]
    ray.gangs = [ray_side.gang(one["name"], one["strategy"], list(_bundles(one))) for one in gangs]


def _bundles(gang: Json) -> Iterator[Json]:
    for one in gang["bundles"]:
        bundle = ray_side.request(ray_side.amounts(one["resources"]), *_selectors(one))
        yield from [bundle] * one.get("count", 1)


def _selectors(entry: Json) -> Iterator[list[Json]]:
    for labels in (entry.get("labelSelector"), *entry.get("fallback", ())):
        if labels:
            yield [{"labelKey": key, "operator": 1, "labelValues": [of]} for key, of in labels.items()]


def _shortened(of: Json, specs: Mapping[str, Any]) -> Json:
    """The pass, with bodies that were already shown replaced by their names."""
    short = {
        name: next((f"as {shown}" for shown, spec in specs.items() if body["spec"] == spec), body)
        for name, body in of["bodies"].items()
    }
    return {**of, "bodies": short}
