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
    assert (usage.namespace, usage.total) == (2, 6)
    ledger.forget(C)
    assert ledger.usage(A).total == 2


def test_what_was_added_counts_for_a_minute() -> None:
    """What a cluster had when it was first seen was not added."""
    now = 100.0
    ledger = GpuLedger(lambda: (A, C), lambda: now)
    ledger.note(A, 8)
    ledger.note(A, 11)
    ledger.note(C, 0)
    ledger.note(C, 1)
    usage = ledger.usage(A)
    assert (usage.new_in_namespace, usage.new_in_total, usage.renewed_in) == (3, 4, 60.0)
    now = 161.0
    assert ledger.usage(A).new_in_total == 0


def test_after_a_start_it_is_complete_when_every_cluster_was_seen() -> None:
    """One that cannot be acted on counts with what it is known to have."""
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0)
    assert not ledger.usage(A).complete
    ledger.keep(B)
    assert ledger.usage(A).complete
