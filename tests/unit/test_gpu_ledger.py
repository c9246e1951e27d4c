"""GPUs are counted over all clusters."""

from rayfleet.fleet.gpu_ledger import GpuLedger
from rayfleet.kube.objects.keys import Key

A, B, C = Key("RayCluster", "one", "a"), Key("RayCluster", "one", "b"), Key("RayCluster", "two", "c")


def test_each_cluster_sees_what_the_others_have() -> None:
    """In its namespace, and in all."""
    ledger = GpuLedger(lambda: (A, B, C), lambda: 0.0)
    for key, gpus in ((A, 1), (B, 2), (C, 4)):
        ledger.note(key, gpus)
    usage = ledger.usage(A)
    assert (usage.own, usage.namespace, usage.total) == (1, 2, 6)
    ledger.forget(C)
    assert ledger.usage(A).total == 2


def test_pods_about_to_be_created_count_already() -> None:
    """So the next cluster finds that room taken."""
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0)
    ledger.note(A, 1, 3)
    assert ledger.usage(B).namespace == 4
    ledger.note(A, 4)
    assert (ledger.usage(B).namespace, ledger.usage(B).new_in_total) == (4, 3)


def test_added_gpus_count_for_a_minute() -> None:
    """Pods that a cluster had when it was first seen do not count as added; those of a new one do."""
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


def test_a_replacement_is_not_new() -> None:
    """One pass sees the lost pod and its successor."""
    ledger = GpuLedger(lambda: (A,), lambda: 0.0)
    ledger.note(A, 8)
    ledger.note(A, 6, 2)
    assert ledger.usage(A).new_in_total == 0


def test_a_failed_create_frees_its_room() -> None:
    """A quota that refuses each attempt uses up nobody's minute."""
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0)
    ledger.note(B, 0, 2)
    for _ in range(3):
        ledger.note(A, 1, 4)
        ledger.give_back(A, 4)
    usage = ledger.usage(B)
    assert (usage.namespace, usage.new_in_namespace) == (1, 2)


def test_after_a_start_the_ledger_is_complete_once_every_cluster_with_pods_was_seen() -> None:
    """A cluster without pods has no GPUs: a burst of new clusters need not wait."""
    ledger = GpuLedger(lambda: (A, B, C), lambda: 0.0, lambda key: key != C)
    assert not ledger.usage(A).complete
    ledger.note(B, 0)
    assert ledger.usage(A).complete
    ledger.forget_all()
    assert not ledger.usage(A).complete


def test_a_plan_that_is_replaced_before_it_is_carried_out_uses_up_no_minute() -> None:
    """None of its pods was created. A pod that was created and lost again did count as new."""
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0)
    ledger.note(A, 0)
    ledger.note(A, 0, 8)
    ledger.note(A, 0, 3)
    assert ledger.usage(B).new_in_total == 3
    ledger.note(A, 0)
    assert ledger.usage(B).new_in_total == 0
    ledger.note(A, 0, 8)
    ledger.note(A, 8)
    ledger.note(A, 0)
    assert ledger.usage(B).new_in_total == 8


def test_a_replacement_within_a_minute_is_not_new_whatever_was_seen_meanwhile() -> None:
    """A pass between the loss of pods and their replacement changes nothing about it."""
    now = 0.0
    ledger = GpuLedger(lambda: (A, B), lambda: now)
    for at, there in ((0.0, 8), (10.0, 6), (20.0, 0), (30.0, 2), (40.0, 1)):
        now = at
        ledger.note(A, there)
    assert (ledger.usage(A).own, ledger.usage(B).namespace) == (8, 1), "its ceiling a minute gives room for 8"
    ledger.note(A, 1, 7)
    assert ledger.usage(B).new_in_total == 0
    ledger.note(A, 1)
    now = 85.0
    assert ledger.usage(A).own == 2
    ledger.note(A, 1, 7)
    assert ledger.usage(B).new_in_total == 6


def test_a_failed_replacement_changes_nothing_about_the_minute() -> None:
    """Only pods that were counted as new can be uncounted."""
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0)
    ledger.note(A, 2)
    ledger.note(A, 2, 4)
    ledger.note(A, 6)
    ledger.note(A, 4, 2)
    ledger.give_back(A, 2)
    assert (ledger.usage(B).new_in_total, ledger.usage(B).namespace) == (4, 4)
    ledger.give_back(C, 2)
    assert ledger.usage(B).total == 4


def test_clusters_without_passes_count_by_their_pods_and_hold_up_nobody() -> None:
    """Their namespace may have become unreadable before the term began."""
    lost: dict[Key, int] = {C: 5}
    ledger = GpuLedger(lambda: (A, B, C), lambda: 0.0, without_pass=lost.get)
    for _ in range(2):
        ledger.forget_all()
        ledger.note(A, 1)
        assert not ledger.usage(A).complete, "B gets a pass"
        ledger.note(B, 2)
        usage = ledger.usage(A)
        assert (usage.complete, usage.namespace, usage.total) == (True, 2, 7)
    lost.clear()
    ledger.note(C, 6)
    assert (ledger.usage(A).total, ledger.usage(A).new_in_total) == (8, 0), "it is seen for the first time"


def test_a_namespace_is_complete_for_itself() -> None:
    """An incomplete namespace holds up no ceiling of another."""
    ledger = GpuLedger(lambda: (A, B, C), lambda: 0.0)
    ledger.note(A, 0)
    assert not ledger.usage(A).complete_in_namespace
    ledger.note(B, 0)
    assert (ledger.usage(A).complete_in_namespace, ledger.usage(A).complete) == (True, False)


def test_a_cluster_whose_passes_fail_counts_by_its_pods_and_holds_up_nobody() -> None:
    """Its pods at each pass count; what the first successful pass finds is not new."""
    pods = {B: 3}
    ledger = GpuLedger(lambda: (A, B), lambda: 0.0, by_pods=lambda key: pods.get(key, 0))
    for gpus in (3, 5, 1):
        pods[B] = gpus
        ledger.begin(B)
        assert (ledger.usage(A).complete, ledger.usage(A).total) == (True, gpus)
        ledger.fail(B)
    ledger.begin(B)
    ledger.note(B, 8)
    assert (ledger.usage(A).total, ledger.usage(A).new_in_total) == (8, 0)
    ledger.begin(B)
    assert ledger.usage(A).total == 8, "the last pass counted better"
    ledger.fail(B)
    assert ledger.usage(A).total == 1


def test_pods_of_deleted_clusters_count_until_they_are_gone() -> None:
    """Also where nobody has reported the end of the cluster, and where its name is used again."""
    keys, left = [A, B], {B: 0}
    ledger = GpuLedger(lambda: keys, lambda: 0.0, left=lambda key: left.get(key, 0), owners=lambda: left)
    ledger.note(A, 1)
    ledger.note(B, 4)
    keys.remove(B)
    left[B] = 4
    assert (ledger.usage(A).namespace, ledger.usage(C).total) == (4, 5)
    keys.append(B)
    ledger.note(B, 0, 2)
    assert (ledger.usage(A).namespace, ledger.usage(B).namespace, ledger.usage(B).own) == (6, 5, 2)
    left[B] = 0
    assert (ledger.usage(A).namespace, ledger.usage(B).namespace) == (2, 1)
