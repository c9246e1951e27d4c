"""The same drawn clusters and queues, given to our packing and to Ray's own scheduler."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rayfleet.autoscaling import AutoscalingPolicy, DemandKind, Memory, decide
from support.demand_cases import Case, draw

ROOT = Path(__file__).parents[2]
CASES = 1000

WORSE: dict[int, str] = {}
"""Cases that take more nodes than Ray does, each with its reason."""


@dataclass(slots=True)
class Comparison:
    """A comparison of our decisions with Ray's."""

    missed: list[int] = field(default_factory=list)
    """Cases in which Ray places something that we do not."""
    nodes: Counter[str] = field(default_factory=Counter)
    """Whether we start the same number of nodes, fewer, or more, if both place the same."""
    more: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Cases in which we start more: how many we start, and Ray."""


def asked(first: int, last: int) -> list[dict[str, Any]]:
    """Ray's answers, from a process of its own."""
    paths = os.pathsep.join(str(ROOT / path) for path in ("operator", "tests"))
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "support" / "ray_scheduler.py", str(first), str(last)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def left_by_us(case: Case) -> tuple[Counter[Any], set[str], bool, int]:
    """What is not placed: tasks by shape, gangs, any of `request_resources`; and the nodes to start."""
    decision = decide(case.ray, case.groups, case.workers, AutoscalingPolicy(), Memory(), now=0)
    tasks, gangs, unsatisfied = Counter[Any](), set[str](), False
    for answer in decision.answers:
        if answer.kind is DemandKind.TASKS:
            tasks[answer.shape] += answer.unserved
        elif answer.kind is DemandKind.GANG and answer.unserved:
            gangs.add(answer.gang)
        elif answer.kind is DemandKind.CONSTRAINT and answer.unserved:
            unsatisfied = True
    return tasks, gangs, unsatisfied, sum(group.launches for group in decision.groups)


def compare(replies: list[dict[str, Any]]) -> Comparison:
    found = Comparison()
    for reply in replies:
        case = draw(reply["seed"])
        tasks, gangs, unsatisfied, ours = left_by_us(case)
        rays = {demand.shape: n for demand, n in zip(case.ray.demands, reply["unplaced"], strict=True)}
        ray_gangs, nodes = set(reply["gangs"]), sum(reply["launches"].values())
        less = any(tasks[shape] > n for shape, n in rays.items()) or not gangs <= ray_gangs
        more = any(tasks[shape] < n for shape, n in rays.items()) or gangs < ray_gangs
        if less or (unsatisfied and not reply["constraints"]):
            found.missed.append(case.seed)
        elif more or reply["constraints"]:
            # Ray starts nothing for a `request_resources` that does not fit in full; we start what fits.
            found.nodes["places more than Ray"] += 1
        else:
            found.nodes["fewer" if ours < nodes else "same" if ours == nodes else "more"] += 1
            if ours > nodes:
                found.more[case.seed] = (ours, nodes)
    return found


def test_we_place_what_ray_places_on_no_more_nodes() -> None:
    """In a thousand cases we start as many nodes or fewer in 99 of 100, and never many more."""
    found = compare(asked(0, CASES))
    assert found.missed == []
    assert set(found.more) <= set(WORSE), found.more
    assert len(found.more) <= CASES // 100
    assert all(ours <= rays + max(1, rays * 0.05) for ours, rays in found.more.values())
    # Most cases must be ones that can be compared at all.
    assert found.nodes["same"] + found.nodes["fewer"] > CASES / 2
