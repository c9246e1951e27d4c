"""The rules of the cache of RayClusters, each beside the case in which it does nothing."""

from typing import Any

import pytest

from rayfleet.cache.clusters import ClusterStore, Glance
from rayfleet.snapshot import Key

KEY = Key("ml", "demo")


def _cluster(
    version: int, *, uid: str = "u1", generation: int = 1, status: object = None, **metadata: object
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ml",
            "name": "demo",
            "uid": uid,
            "resourceVersion": str(version),
            "generation": generation,
            **metadata,
        },
        "spec": {"rayVersion": "2.60.0", "generation": generation},
        "status": status or {"state": "ready"},
    }


@pytest.fixture
def store() -> ClusterStore:
    """A store that knows one cluster at version 10."""
    store = ClusterStore()
    assert store.apply(_cluster(10))
    return store


def test_a_cluster_comes_back_as_it_was_given(store: ClusterStore) -> None:
    found = store.get(KEY)

    assert found is not None
    assert (found.key, found.uid, found.resource_version, found.generation) == (KEY, "u1", 10, 1)
    assert (found.spec, found.status) == ({"rayVersion": "2.60.0", "generation": 1}, {"state": "ready"})
    assert (store.keys(), tuple(store), len(store)) == ((KEY,), (KEY,), 1)


def test_an_unknown_cluster_is_none(store: ClusterStore) -> None:
    assert store.get(Key("ml", "other")) is None
    assert store.glance(Key("ml", "other")) is None


def test_a_glance_is_all_but_the_spec(store: ClusterStore) -> None:
    """With the time of creation, which is 0 where the object has none."""
    assert store.glance(KEY) == Glance(KEY, "u1", 0.0, {}, {"state": "ready"})
    store.apply(_cluster(11, creationTimestamp="1970-01-01T00:01:00Z", labels={"team": "a"}))
    assert store.glance(KEY) == Glance(KEY, "u1", 60.0, {"team": "a"}, {"state": "ready"})


@pytest.mark.parametrize(
    "changed",
    [
        _cluster(11, generation=2),
        _cluster(11, uid="u2"),
        _cluster(11, deletionTimestamp="2026-08-01T10:00:00Z"),
        _cluster(11, labels={"a": "b"}),
        _cluster(11, annotations={"a": "b"}),
        _cluster(11, status={"state": "suspended"}),
    ],
    ids=["spec", "uid", "deletion", "labels", "annotations", "status"],
)
def test_what_we_look_at_is_a_change(store: ClusterStore, changed: dict[str, Any]) -> None:
    assert store.apply(changed)


@pytest.mark.parametrize(
    "same",
    [
        _cluster(11),
        _cluster(11, managedFields=[{"manager": "kubectl"}]),
        _cluster(11, annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
    ],
    ids=["version", "managed fields", "last applied configuration"],
)
def test_what_we_do_not_look_at_is_no_change_but_is_remembered(
    store: ClusterStore, same: dict[str, Any]
) -> None:
    """The next status write needs the version."""
    assert not store.apply(same)
    found = store.get(KEY)
    assert found is not None
    assert found.resource_version == 11


def test_the_echo_of_our_own_status_write_wakes_nobody(store: ClusterStore) -> None:
    """The answer to the write was applied; then its event comes."""
    store.apply(_cluster(12, status={"state": "suspended"}))

    assert not store.apply(_cluster(12, status={"state": "suspended"}))


def test_an_older_event_does_nothing(store: ClusterStore) -> None:
    assert not store.apply(_cluster(9, generation=7))
    found = store.get(KEY)
    assert found is not None
    assert found.generation == 1


def test_a_removed_cluster_is_gone_and_no_ghost_returns(store: ClusterStore) -> None:
    assert store.remove(KEY, "u1")
    assert not store.apply(_cluster(11, generation=2))
    assert store.get(KEY) is None


def test_a_new_cluster_under_the_name_of_a_removed_one_is_welcome(store: ClusterStore) -> None:
    store.remove(KEY, "u1")

    assert store.apply(_cluster(20, uid="u2"))


def test_removing_another_uid_does_nothing(store: ClusterStore) -> None:
    """The late deletion of a cluster whose name has been used again."""
    store.apply(_cluster(20, uid="u2"))

    assert not store.remove(KEY, "u1")
    assert len(store) == 1


def test_a_list_drops_clusters_whose_deletion_was_missed(store: ClusterStore) -> None:
    assert store.retain(None, {}, 50) == {KEY}
    assert len(store) == 0


@pytest.mark.parametrize(
    ("namespace", "uids", "version"),
    [(None, {KEY: "u1"}, 50), (None, {}, 9), ("other", {}, 50)],
    ids=["listed", "newer than the list", "of another namespace"],
)
def test_a_list_leaves_the_others(
    store: ClusterStore, namespace: str | None, uids: dict[Key, str], version: int
) -> None:
    assert store.retain(namespace, uids, version) == set()
    assert len(store) == 1


def test_a_list_drops_the_former_owner_of_a_name(store: ClusterStore) -> None:
    assert store.retain("ml", {KEY: "u2"}, 50) == {KEY}


def test_a_server_that_went_back_in_time_is_believed_by_a_consistent_read(store: ClusterStore) -> None:
    """Its storage was restored to version 5; a read that was sent when we knew 10 shows it."""
    assert store.apply(_cluster(5, generation=4), seen=10)
    found = store.get(KEY)
    assert found is not None
    assert (found.resource_version, found.generation) == (5, 4)


def test_a_read_that_was_overtaken_by_an_event_is_no_going_back(store: ClusterStore) -> None:
    """Sent when we knew 10; an event with 20 comes before its answer with 15."""
    store.apply(_cluster(20, generation=3))

    assert not store.apply(_cluster(15, generation=2), seen=10)
    found = store.get(KEY)
    assert found is not None
    assert found.resource_version == 20
