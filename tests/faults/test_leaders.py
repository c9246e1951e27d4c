"""Two operators: the leader is killed, or suspended and resumed; its Lease is deleted, or taken."""

import time
from collections.abc import Callable

import pytest

from support.builders import raycluster
from support.faults.bed import FaultBed
from support.faults.case import Case
from support.faults.scenario import spec_of
from support.faults.two_leaders import TwoLeaders, two_leaders
from support.faults.wanted import Wanted
from support.waiting import eventually

WRITE_CONCURRENCY = 32
MANY = 120
SOME = 40
TAKEOVER_S = 20.0
SETTLE_S = 90.0


def _begin(both: TwoLeaders, size: int = MANY) -> None:
    """A cluster of many workers, and the leader in the middle of creating them."""
    namespace = both.trial.namespace
    namespace.apply(raycluster("demo", spec_fields=spec_of({"a": size}, maximum=MANY)))
    eventually("the first workers", lambda: len(both.trial.history.objects("pods")) > 10)


def _scale(both: TwoLeaders, size: int) -> None:
    both.trial.namespace.patch(
        "demo", {"workerGroupSpecs": spec_of({"a": size}, maximum=MANY)["workerGroupSpecs"]}
    )


def _settle(both: TwoLeaders, size: int) -> None:
    both.trial.settle(Wanted({"demo": {"a": size}}), SETTLE_S)


def _judge(both: TwoLeaders, size: int) -> None:
    both.rest()
    _settle(both, size)
    wrong = both.verdict()
    assert not wrong, "\n".join(wrong)


def _killed(bed: FaultBed, _: int) -> None:
    with two_leaders(bed, "leader-killed") as both:
        _begin(both)
        both.alpha.kill()
        killed = time.time()
        _settle(both, MANY)
        first = both.writes("beta")[0].at - killed
        assert first <= TAKEOVER_S, f"the standby wrote {first:.1f} s after the kill"
        _judge(both, MANY)


def _stopped(bed: FaultBed, _: int) -> None:
    with two_leaders(bed, "leader-stopped") as both:
        _begin(both)
        both.alpha.freeze()
        try:
            _settle(both, MANY)
            _scale(both, SOME)
            _settle(both, SOME)
            both.rest()
        finally:
            resumed = time.time()
            both.alpha.thaw()
        both.await_look("alpha")
        both.rest()
        late = both.writes("alpha", since=resumed)
        assert len(late) <= WRITE_CONCURRENCY, f"{len(late)} writes after it was resumed"
        assert all(write.at - resumed <= 1.0 for write in late), [w.at - resumed for w in late]
        assert both.holder == "beta"
        _judge(both, SOME)


def _lease_deleted(bed: FaultBed, _: int) -> None:
    with two_leaders(bed, "lease-deleted") as both:
        _begin(both)
        both.trial.namespace.api.call("DELETE", both.lease)
        _settle(both, MANY)
        eventually("the lease to be there again", lambda: both.trial.namespace.api.exists(both.lease))
        _scale(both, SOME)
        both.trial.namespace.api.call("DELETE", both.lease)
        _settle(both, SOME)
        _judge(both, SOME)


def _lease_taken(bed: FaultBed, _: int) -> None:
    with two_leaders(bed, "lease-taken") as both:
        _begin(both)
        size = MANY
        for following in (SOME, MANY, SOME):
            # In the middle of the writes for `size`. The spec is changed when they are done: a pass that
            # creates pods at that moment rightly goes on for a while, which the oracle would take for wrong.
            both.take_lease()
            eventually("a new term", lambda: both.holder in {"alpha", "beta"}, seconds=30)
            _settle(both, size)
            _scale(both, following)
            size = following
        _settle(both, SOME)
        _judge(both, SOME)


CASES = [
    Case("killed", _killed),
    Case("stopped-and-resumed", _stopped),
    Case("lease-deleted", _lease_deleted),
    Case("lease-taken", _lease_taken),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_two_operators_never_do_a_thing_twice(case: Case, verdict: Callable[[Case], None]) -> None:
    """The audit log shows who wrote what and when; the oracle finds no duplicate and no wrong delete."""
    verdict(case)
