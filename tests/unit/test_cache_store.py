"""The rules of the cache of children, each with the case in which it does nothing."""

import pytest

from rayfleet.kube.cache.store import Store
from rayfleet.kube.cache.tombstones import Tombstones
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from support.children import KEY, OTHER, pod


@pytest.fixture
def store() -> Store[Pod]:
    return Store(Pod, ["RayCluster"])


def _names(store: Store[Pod], key: Key = KEY) -> set[str]:
    return {obj.name for obj in store.owned_by(key)}


def test_a_new_object_is_a_change(store: Store[Pod]) -> None:
    """It is found by name and by owner."""
    assert store.apply(pod("a"))
    assert (store.get("ml", "a"), store.owned_by(KEY), len(store)) == (pod("a"), (pod("a"),), 1)


def test_a_newer_version_with_a_difference_is_a_change(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))

    assert store.apply(pod("a", 11, phase="Running"))
    assert store.owned_by(KEY) == (pod("a", 11, phase="Running"),)


def test_a_newer_version_alone_is_not_a_change_but_is_stored(store: Store[Pod]) -> None:
    """A heartbeat wakes nobody, and yet an older event cannot undo it."""
    store.apply(pod("a", 10))

    assert not store.apply(pod("a", 12))
    assert not store.apply(pod("a", 11, phase="Running"))
    assert store.get("ml", "a") == pod("a", 12)


def test_an_older_version_does_nothing(store: Store[Pod]) -> None:
    """A watch that lags behind the answer to a write does not undo it."""
    store.apply(pod("a", 10, phase="Running"))

    assert not store.apply(pod("a", 9))
    assert not store.apply(pod("a", 10))
    assert store.get("ml", "a") == pod("a", 10, phase="Running")


def test_another_uid_under_the_same_name_replaces(store: Store[Pod]) -> None:
    store.apply(pod("a", 10, uid="first"))

    assert store.apply(pod("a", 20, uid="second"))
    assert [obj.uid for obj in store.owned_by(KEY)] == ["second"]


def test_the_former_uid_under_a_name_does_not_come_back(store: Store[Pod]) -> None:
    """Neither a late event nor a late deletion brings it back."""
    store.apply(pod("a", 10, uid="first"))
    store.apply(pod("a", 20, uid="second"))

    assert not store.apply(pod("a", 11, uid="first"))
    assert store.remove("ml", "a", "first", 19) is None
    assert [obj.uid for obj in store] == ["second"]


def test_a_removed_object_is_gone_and_returned(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))

    assert store.remove("ml", "a", "uid-a", 15) == pod("a", 10)
    assert (len(store), store.owned_by(KEY)) == (0, ())


def test_removing_an_unknown_object_does_nothing(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))

    assert store.remove("ml", "b", "uid-b", 15) is None
    assert _names(store) == {"a"}


def test_a_late_answer_to_a_write_does_not_bring_a_ghost_back(store: Store[Pod]) -> None:
    """It was created at 10 and deleted at 15 by somebody; then the answer to the create arrives."""
    store.remove("ml", "a", "uid-a", 15)

    assert not store.apply(pod("a", 10))
    assert len(store) == 0


def test_an_object_that_left_the_selection_can_return(store: Store[Pod]) -> None:
    """A pod without its label looks deleted to the watch; it may get the label back."""
    store.apply(pod("a", 10))
    store.remove("ml", "a", "uid-a", 15)

    assert store.apply(pod("a", 16))


def test_a_deletion_older_than_the_cache_does_nothing(store: Store[Pod]) -> None:
    """Our own write, whose answer overtook the watch, has restored the label."""
    store.apply(pod("a", 16))

    assert store.remove("ml", "a", "uid-a", 15) is None
    assert _names(store) == {"a"}


def test_an_object_gone_for_good_does_not_return(store: Store[Pod]) -> None:
    store.remove("ml", "a", "uid-a")

    assert not store.apply(pod("a", 1000))


def test_a_list_makes_up_for_deletions_that_the_watch_missed(store: Store[Pod]) -> None:
    """The owners of what is gone are woken."""
    store.apply(pod("a", 10))
    store.apply(pod("b", 11, owner=OTHER))

    assert store.replace(None, [pod("a", 10)], 50) == {OTHER}
    assert [obj.name for obj in store] == ["a"]


def test_a_list_equal_to_the_cache_changes_nothing(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))

    assert store.replace(None, [pod("a", 10)], 50) == set()


def test_a_list_keeps_what_is_newer_than_itself(store: Store[Pod]) -> None:
    """The answer to a create at 60 is no deletion for a list as of 50."""
    store.apply(pod("a", 60))

    assert store.replace(None, [], 50) == set()
    assert _names(store) == {"a"}


def test_a_list_does_not_undo_a_newer_version(store: Store[Pod]) -> None:
    store.apply(pod("a", 60, deleting=True))

    assert store.replace(None, [pod("a", 10)], 50) == set()
    assert store.get("ml", "a") == pod("a", 60, deleting=True)


def test_a_list_older_than_a_deletion_brings_no_ghost_back(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))
    store.remove("ml", "a", "uid-a", 55)

    assert store.replace(None, [pod("a", 10)], 50) == set()
    assert len(store) == 0


def test_an_object_that_a_list_lacks_does_not_return_with_an_older_event(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))
    store.replace(None, [], 50)

    assert not store.apply(pod("a", 40))


def test_an_answer_older_than_a_list_without_its_object_brings_no_ghost(store: Store[Pod]) -> None:
    """It was created at 10 and deleted at 20, and neither was seen before the list as of 50."""
    store.replace(None, [pod("b", 12)], 50)

    assert not store.apply(pod("a", 10))
    assert store.apply(pod("a", 51))


def test_a_list_of_a_namespace_does_not_touch_others(store: Store[Pod]) -> None:
    store.apply(pod("a", 10, namespace="other"))

    assert store.replace("ml", [], 50) == set()
    assert len(store) == 1


def test_a_list_of_one_clusters_pods_does_not_touch_others(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))
    store.apply(pod("b", 11, owner=OTHER))

    assert store.replace_owned(KEY, [], 50) == {KEY}
    assert [obj.name for obj in store] == ["b"]


def test_a_list_of_one_clusters_pods_keeps_what_is_newer_than_itself(store: Store[Pod]) -> None:
    store.apply(pod("a", 60))

    assert store.replace_owned(KEY, [pod("b", 12)], 50) == {KEY}
    assert _names(store) == {"a", "b"}


def test_a_server_that_went_back_in_time_is_believed(store: Store[Pod]) -> None:
    """Its storage was restored: what it lacks is gone, though our versions are higher."""
    store.apply(pod("a", 90))
    store.apply(pod("b", 91, phase="Running"))
    store.remove("ml", "c", "uid-c", 92)

    store.replace(None, [pod("b", 40), pod("c", 41)], 50, seen=95)

    assert {(obj.name, obj.resource_version) for obj in store} == {("b", 40), ("c", 41)}


def test_a_list_as_new_as_the_watch_does_not_rewind(store: Store[Pod]) -> None:
    store.apply(pod("a", 96))

    store.replace(None, [], 95, seen=95)

    assert _names(store) == {"a"}


def test_a_pod_that_changes_its_owner_moves_in_the_index(store: Store[Pod]) -> None:
    store.apply(pod("a", 10))

    assert store.replace(None, [pod("a", 11, owner=OTHER)], 50) == {KEY, OTHER}
    assert (_names(store, KEY), _names(store, OTHER)) == (set(), {"a"})


def test_a_pod_without_an_owner_is_kept_without_one(store: Store[Pod]) -> None:
    assert store.apply(pod("a", 10, owner=None))
    assert store.replace(None, [pod("a", 12, owner=None, phase="Failed")], 50) == set()
    assert len(store) == 1


def test_equal_strings_are_kept_once(store: Store[Pod]) -> None:
    """20,000 pods share 100 nodes and a few namespaces."""
    for name in ("a", "b"):
        store.apply(pod(name, node_name=b"node-1".decode(), group=b"gpu".decode()))

    a, b = store.owned_by(KEY)

    assert a.node_name is b.node_name
    assert a.owner is b.owner


def test_the_memory_of_deletions_is_bounded_and_forgets_the_oldest() -> None:
    gone = Tombstones(remembered=2)
    for number, uid in enumerate(("a", "b", "c")):
        gone.bury(uid, number + 10)

    assert len(gone) == 2
    assert [gone.covers(uid, 5) for uid in ("a", "b", "c")] == [False, True, True]


def test_a_deletion_noted_twice_keeps_the_later_version() -> None:
    gone = Tombstones()
    gone.bury("a", 20)
    gone.bury("a", 10)

    assert (gone.covers("a", 20), gone.covers("a", 21)) == (True, False)
