"""GPUs are counted over all clusters."""

from rayfleet.gpu_ledger import GpuLedger
from rayfleet.snapshot import Key

A, B, C = Key("one", "a"), Key("one", "b"), Key("two", "c")


def test_each_cluster_sees_what_the_others_have() -> None:
    """In its namespace, and in all."""
    ledger = GpuLedger(lambda: (A, B, C), lambda: 0.0)
    for key, gpus in ((A, 1), (B, 2), (C, 4)):
        ledger.note(key, gpus)
    usage = ledger.usage(A)
    assert (usage.own, usage.namespace, usage.total) == (1, 2, 6)
    ledger.forget(C)
    assert ledger.usage(A).total == 2


def test_what_is_about_to_come_is_counted_before_it_is_there() -> None:
    """So the next one to ask finds that room taken."""
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0)
    ledger.note(A, 1, 3)
    assert ledger.usage(B).namespace == 4
    ledger.note(A, 4)
    assert (ledger.usage(B).namespace, ledger.usage(B).new_in_total) == (4, 3)


def test_what_was_added_counts_for_a_minute() -> None:
    """What a cluster had when it was first seen was not added; what a new one gets is."""
    now = 100.0
    ledger = GpuLedger(lambda: (A, C), lambda: now)
    ledger.note(A, 8)
    ledger.note(A, 8, 3)
    ledger.note(C, 0, 1)
    usage = ledger.usage(A)
    assert (usage.new_in_namespace, usage.new_in_total, usage.renewed_in) == (3, 4, 60.0)
    now = 161.0
    assert ledger.usage(A).new_in_total == 0
    assert ledger.usage(A).renewed_in is None


def test_what_takes_the_place_of_what_was_counted_is_not_new() -> None:
    """A pod that is gone and its successor, seen in one pass."""
    ledger = GpuLedger(lambda: (A,), lambda: 0.0)
    ledger.note(A, 8)
    ledger.note(A, 6, 2)
    assert ledger.usage(A).new_in_total == 0


def test_what_was_not_created_after_all_is_given_back() -> None:
    """A quota that refuses each attempt spends nobody's minute."""
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0)
    ledger.note(B, 0, 2)
    for _ in range(3):
        ledger.note(A, 1, 4)
        ledger.give_back(A, 4)
    usage = ledger.usage(B)
    assert (usage.namespace, usage.new_in_namespace) == (1, 2)


def test_after_a_start_it_is_complete_when_every_cluster_with_pods_was_seen() -> None:
    """One without has no GPUs: a burst of new clusters waits for nothing."""
    ledger = GpuLedger(lambda: (A, B, C), lambda: 0.0, lambda key: key != C)
    assert not ledger.usage(A).complete
    ledger.note(B, 0)
    assert ledger.usage(A).complete
    ledger.forget_all()
    assert not ledger.usage(A).complete
