"""Random clusters: what happens to each, and what the operator does about it, pass after pass."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from golden import specs
from golden.adapter import Operator
from golden.aspects import aspects_of, plain
from golden.chance import Chance
from golden.demand import hear
from golden.happenings import ALWAYS, ELASTIC, FAILING, FOLLOWING, RESIZED, Happening, happen
from golden.kubelet import Json
from golden.ray_side import RaySide
from golden.scene import Scene
from golden.world import World

SPECS: Final = Path(__file__).parents[2] / "tests/golden/specs.jsonl"
"""Specs of every shape, drawn once and kept, with the metadata of their clusters."""


class Family(NamedTuple):
    """Draws of one kind."""

    size: int
    passes: int
    table: Mapping[Happening, int]
    """What happens between passes, and how often."""
    spec: Callable[[Chance], Json] | None = None
    """None: one of the specs of every shape."""


FAMILIES: Final[Mapping[str, Family]] = {
    "fixed": Family(300, 4, ALWAYS, specs.fixed),
    "resized": Family(40, 8, RESIZED, specs.fixed),
    "failing": Family(20, 12, FAILING, specs.steady),
    "elastic": Family(380, 5, ELASTIC, specs.elastic),
    "following": Family(40, 10, FOLLOWING, specs.elastic),
    "shape": Family(250, 3, ALWAYS),
    "large": Family(10, 4, RESIZED, specs.large),
}
_STATUS_WRITTEN: Final = 0.9
_FAULTY: Final = 0.15


class Pass(NamedTuple):
    """One pass over a drawn cluster."""

    happened: list[str]
    outcomes: list[Json]
    aspects: Json


def names() -> list[str]:
    """All draws."""
    return [f"{name}-{n:04}" for name, family in FAMILIES.items() for n in range(family.size)]


def passes(name: str) -> Iterator[Pass]:
    """The passes of one draw: always the same for the same name."""
    kind, _, number = name.partition("-")
    family, place = FAMILIES[kind], list(FAMILIES).index(kind)
    random = Chance(1_000_000 * place + int(number))
    spec, metadata = _begins(random, family, int(number))
    world, user = World(spec, metadata), User(random, family, spec)
    scene = Scene(random, world, RaySide(), user.changes, spec.get("enableInTreeAutoscaling") is True)
    return islice(_passes(scene, family.table, Operator(_settings(random))), family.passes)


class User:
    """Applies another spec now and then, and sometimes one with a fault."""

    def __init__(self, random: Chance, family: Family, spec: Json) -> None:
        self._random = random
        self._family = family
        self._right = spec
        """The last spec without a fault."""

    def changes(self) -> Json:
        """The next spec."""
        if self._family.spec is None:
            kept: Json = json.loads(self._random.choice(_kept_specs()))["spec"]
            return kept
        self._right = specs.resized(self._random, self._right)
        return specs.broken(self._random, self._right) if self._random.happens(_FAULTY) else self._right


def _short(outcome: Json) -> Json:
    return {"pod": outcome["pod"]["metadata"]["uid"]} if "pod" in outcome else outcome


def _begins(random: Chance, family: Family, number: int) -> tuple[Json, Json]:
    if family.spec is not None:
        return family.spec(random), {}
    kept: Json = json.loads(_kept_specs()[number])
    return kept["spec"], kept["metadata"]


@cache
def _kept_specs() -> list[str]:
    return SPECS.read_text().splitlines()


def _settings(random: Chance) -> Mapping[str, Any]:
    found: Json = {"pods": {}, "scaling": {}}
    if random.happens(0.15):
        found["pods"] = random.choice(
            [
                {"cluster_domain": ""},
                {"cluster_domain": "corp.example"},
                {"waits": False},
                {"wait": {"cpu": "1"}},
            ]
        )
    if random.happens(0.2):
        ceilings = ("gpusPerCluster", "gpusPerNamespace", "gpusTotal", "newGpusPerMinute")
        found["scaling"]["ceilings"] = {random.choice(ceilings): random.choice([0, 1, 4, 16])}
        found["scaling"] |= random.choice([{}, {"blockedSeconds": 20}, {"defaultMaxPods": 3}])
    query = {"name": "backlog", "server": "http://prometheus:9090", "query": "sum(backlog)"}
    found["scaling"]["queries"] = [query]
    return found


def _passes(scene: Scene, table: Mapping[Happening, int], operator: Operator) -> Iterator[Pass]:
    happened = [f"the spec: {json.dumps(scene.world.cluster['spec'])}"]
    while True:
        if scene.elastic:
            hear(scene)
        seen = scene.world.seen()
        scene.world.around.pop("ray", None)
        planned = plain(operator.decide(seen))
        outcomes = scene.world.carry_out(planned["actions"], scene.fails)
        visible = plain(operator.conclude(scene.world.seen(), outcomes))
        if visible["changed"] and scene.random.happens(_STATUS_WRITTEN):
            scene.world.set_status(visible["status"])
        yield Pass(happened, list(map(_short, outcomes)), aspects_of(planned, visible))
        happened = happen(scene, table)
