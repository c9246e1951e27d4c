"""The cost of a spec on the loop is bounded by its size, and long work runs in threads."""

import sys

from msgspec.structs import replace

from rayfleet.autoscaling import WorkerGroup
from rayfleet.autoscaling.demand.needs import space_of
from rayfleet.autoscaling.placing.capacity import templates_of
from rayfleet.kinds.raycluster.plan.scaling import is_long
from support.builders import cluster, group, snapshot, spec, worker
from support.demand_cases import resources


def calls_for(count: int) -> int:
    """The number of calls to describe so many groups, each with as many names of its own."""
    groups = [
        WorkerGroup(f"g{k}", resources(**{f"r{k}-{i}": 1.0 for i in range(count)}), max_replicas=1)
        for k in range(count)
    ]
    calls = 0

    def note(_frame: object, event: str, _what: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        templates_of(space_of(()), groups, frozenset())
    finally:
        sys.setprofile(before)
    return calls


def test_groups_are_described_in_proportion_to_their_names() -> None:
    """The cost is not names times groups: it grows fourfold, not eightfold."""
    assert calls_for(40) < 5 * calls_for(20)


def test_a_plan_of_many_pods_is_made_in_a_thread() -> None:
    of = cluster(spec(group()))
    few = snapshot(of, [worker(of, 0)])
    assert not is_long(few)
    assert is_long(replace(few, pods=few.pods * 1_001))
