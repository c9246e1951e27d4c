"""A cluster with slow plans gets a small share of the CPU, however often it is woken."""

from collections.abc import Callable

import pytest

from rayfleet.engine import reconciler as reconcile
from rayfleet.engine.reconciler import REST
from rayfleet.engine.workqueue import Done
from rayfleet.kinds.raycluster.plan import Plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from support.builders import group, spec
from support.passes import KEY, passes


class Plans:
    """Counts plans, and reports a duration for each."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 2.0

    def timed(self, decide: Callable[[Snapshot], Plan], snapshot: Snapshot) -> tuple[Plan, float]:
        self.count += 1
        return decide(snapshot), self.seconds


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Plans:
    plans = Plans()
    monkeypatch.setattr(reconcile, "LARGE_SPEC", 0)
    monkeypatch.setattr(reconcile, "_timed", plans.timed)
    return plans


async def test_after_a_slow_plan_a_cluster_rests_whatever_wakes_it(plans: Plans) -> None:
    """It rests ten times as long as the plan took; then it gets a pass by itself."""
    async with passes() as bed:
        bed.stored(spec(group("a", 1)), born=True)
        await bed.reconciler.reconcile(KEY)
        made = plans.count
        again = await bed.reconciler.reconcile(KEY)
        assert (plans.count, isinstance(again, Done)) == (made, True)
        assert isinstance(again, Done)
        assert again.requeue_after == pytest.approx(plans.seconds * REST, abs=1.0)


async def test_a_changed_spec_is_planned_at_once(plans: Plans) -> None:
    """So is a deletion, which raises the generation as well: users can stop something."""
    async with passes() as bed:
        bed.stored(spec(group("a", 1)), born=True)
        await bed.reconciler.reconcile(KEY)
        made = plans.count
        bed.stored(spec(group("a", 0)), version=2000, generation=2)
        await bed.reconciler.reconcile(KEY)
        assert plans.count > made


async def test_a_new_term_begins_without_a_rest(plans: Plans) -> None:
    """The first pass sees what another leader has done."""
    async with passes() as bed:
        bed.stored(spec(group("a", 1)), born=True)
        await bed.reconciler.reconcile(KEY)
        made = plans.count
        bed.term_number += 1
        await bed.reconciler.reconcile(KEY)
        assert plans.count > made


async def test_a_fast_plan_delays_nothing(plans: Plans) -> None:
    """Ten thousand nodes can be planned in that time."""
    plans.seconds = reconcile.LONG_PLAN_SECONDS
    async with passes() as bed:
        bed.stored(spec(group("a", 1)), born=True)
        await bed.reconciler.reconcile(KEY)
        made = plans.count
        await bed.reconciler.reconcile(KEY)
        assert plans.count > made
