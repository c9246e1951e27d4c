"""The rules of the cache of RayClusters, each with the case in which it does nothing."""

from collections.abc import Sequence
from typing import Any

import pytest

from rayfleet.kube.cache.clusters import LARGEST_UNPACKED, Glance, RootStore
from rayfleet.kube.objects.keys import Key

KEY = Key("RayCluster", "ml", "demo")


def _cluster(
    version: int,
    *,
    uid: str = "u1",
    name: str = "demo",
    generation: int = 1,
    status: object = None,
    **metadata: object,
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ml",
            "name": name,
            "uid": uid,
            "resourceVersion": str(version),
            "generation": generation,
            **metadata,
        },
        "spec": {"rayVersion": "2.60.0", "generation": generation},
        "status": status or {"state": "ready"},
    }


@pytest.fixture
def store() -> RootStore:
    """A store with one cluster at version 10."""
    store = RootStore("RayCluster")
    assert store.apply(_cluster(10))
    return store


def test_a_cluster_is_returned_as_it_was_stored(store: RootStore) -> None:
    found = store.get(KEY)

    assert found is not None
    assert (found.key, found.uid, found.resource_version, found.generation) == (KEY, "u1", 10, 1)
    assert (found.spec, found.status) == ({"rayVersion": "2.60.0", "generation": 1}, {"state": "ready"})
    assert (store.keys(), tuple(store), len(store)) == ((KEY,), (KEY,), 1)


def test_an_unknown_cluster_reads_as_none(store: RootStore) -> None:
    assert store.get(Key("RayCluster", "ml", "other")) is None
    assert store.glance(Key("RayCluster", "ml", "other")) is None


def test_a_glance_is_all_but_the_spec(store: RootStore) -> None:
    """It has the time of creation, which is 0 if the object has none."""
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
def test_a_difference_in_a_field_that_we_read_is_a_change(store: RootStore, changed: dict[str, Any]) -> None:
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
def test_a_difference_in_other_fields_is_not_a_change_but_is_stored(
    store: RootStore, same: dict[str, Any]
) -> None:
    """The next write of a status needs the version."""
    assert not store.apply(same)
    found = store.get(KEY)
    assert found is not None
    assert found.resource_version == 11


def test_the_echo_of_our_own_status_write_wakes_nobody(store: RootStore) -> None:
    """The answer to the write is in the cache before its event comes."""
    store.apply(_cluster(12, status={"state": "suspended"}))

    assert not store.apply(_cluster(12, status={"state": "suspended"}))


def test_an_older_event_does_nothing(store: RootStore) -> None:
    assert not store.apply(_cluster(9, generation=7))
    found = store.get(KEY)
    assert found is not None
    assert found.generation == 1


def test_a_removed_cluster_is_gone_and_no_ghost_returns(store: RootStore) -> None:
    assert store.remove(KEY, "u1")
    assert not store.apply(_cluster(11, generation=2))
    assert store.get(KEY) is None


def test_a_new_cluster_under_the_name_of_a_removed_one_is_stored(store: RootStore) -> None:
    store.remove(KEY, "u1")

    assert store.apply(_cluster(20, uid="u2"))


def test_removing_another_uid_does_nothing(store: RootStore) -> None:
    """It may be the late deletion of a cluster whose name is in use again."""
    store.apply(_cluster(20, uid="u2"))

    assert not store.remove(KEY, "u1")
    assert len(store) == 1


def _listed(store: RootStore, namespace: str | None, objects: Sequence[dict[str, Any]], *at: int) -> set[Key]:
    """Apply a list at `version`; the second number is the latest version before it."""
    version, seen = (*at, 0)[:2]
    return store.replace(namespace, [store.record(obj) for obj in objects], version, seen=seen)


@pytest.mark.parametrize("namespace", [None, "ml"])
def test_a_list_drops_clusters_whose_deletion_was_missed(store: RootStore, namespace: str | None) -> None:
    assert _listed(store, namespace, [], 50) == {KEY}
    assert len(store) == 0
    assert not store.apply(_cluster(11)), "a ghost"


@pytest.mark.parametrize(
    ("namespace", "objects", "version"),
    [(None, [_cluster(10)], 50), (None, [], 9), ("other", [], 50)],
    ids=["listed", "newer than the list", "of another namespace"],
)
def test_a_list_does_not_touch_other_clusters(
    store: RootStore, namespace: str | None, objects: list[dict[str, Any]], version: int
) -> None:
    assert _listed(store, namespace, objects, version) == set()
    assert len(store) == 1


def test_a_list_reports_only_what_was_missed(store: RootStore) -> None:
    """It reports a changed spec and another cluster under the same name, not what an event has shown."""
    store.apply(_cluster(30, name="newer"))
    changed, same = _cluster(20, generation=2), _cluster(20, name="newer")
    assert _listed(store, "ml", [changed, same], 25) == {KEY}
    assert _listed(store, "ml", [_cluster(40, uid="u2"), _cluster(30, name="newer")], 45) == {KEY}
    assert store.known(KEY, "u2") is not None
    assert not store.apply(_cluster(50, uid="u1")), "a ghost of the former owner of the name"


@pytest.mark.parametrize("namespace", [None, "ml"])
def test_an_older_list_rewinds_clusters_as_it_does_pods(store: RootStore, namespace: str | None) -> None:
    """The storage was restored: what it lacks is gone, and what it has is true."""
    store.apply(_cluster(20, name="later", uid="u2"))
    store.apply(_cluster(12, name="same", uid="u3"))
    store.apply(_cluster(13, name="buried", uid="u4"))
    store.remove(Key("RayCluster", "ml", "buried"), "u4")
    restored = [
        _cluster(5, generation=4),
        _cluster(3, name="same", uid="u3"),
        _cluster(4, name="buried", uid="u4"),
    ]
    changed = _listed(store, namespace, restored, 6, 21)
    assert changed == {KEY, Key("RayCluster", "ml", "later"), Key("RayCluster", "ml", "buried")}
    assert set(store) == {KEY, Key("RayCluster", "ml", "same"), Key("RayCluster", "ml", "buried")}
    found = store.get(KEY)
    assert found is not None
    assert (found.resource_version, found.generation) == (5, 4)
    assert store.apply(_cluster(7, generation=5)), "the new history goes on from there"


def test_a_rewound_namespace_does_not_rewind_others(store: RootStore) -> None:
    """Each namespace has its own watch, which notices by itself."""
    assert _listed(store, "other", [], 6, 21) == set()
    assert len(store) == 1


def test_a_cluster_counts_as_born_once_if_its_creation_was_seen(store: RootStore) -> None:
    """Not if a list or a later event shows it; and the creation of a rewound one was not seen."""
    store.apply(_cluster(20, name="new", uid="u2"), born=True)
    store.apply(_cluster(21, name="new", uid="u2", generation=2))
    new = store.get(Key("RayCluster", "ml", "new"))
    known = store.get(KEY)
    assert new is not None
    assert known is not None
    assert (new.born, known.born) == (20, 0)
    _listed(store, None, [_cluster(5, name="new", uid="u2")], 6, 22)
    rewound = store.get(Key("RayCluster", "ml", "new"))
    assert rewound is not None
    assert rewound.born == 0


def test_a_server_that_went_back_in_time_is_believed_by_a_consistent_read(store: RootStore) -> None:
    """Its storage was restored to version 5; a read sent after we had seen 10 shows it."""
    assert store.apply(_cluster(5, generation=4), seen=10)
    found = store.get(KEY)
    assert found is not None
    assert (found.resource_version, found.generation) == (5, 4)


def test_a_read_that_an_event_has_overtaken_does_not_rewind(store: RootStore) -> None:
    """It was sent at 10; an event with 20 comes before its answer with 15."""
    store.apply(_cluster(20, generation=3))

    assert not store.apply(_cluster(15, generation=2), seen=10)
    found = store.get(KEY)
    assert found is not None
    assert found.resource_version == 20


def test_a_cluster_is_unpacked_once_for_many_looks(store: RootStore) -> None:
    """A pass reads the cluster several times."""
    one, two = store.get(KEY), store.get(KEY)
    assert one is not None
    assert two is not None
    assert one.spec is two.spec
    assert one.status is two.status


@pytest.mark.parametrize("part", ["spec", "status"])
def test_the_memory_of_unpacked_clusters_is_bounded(store: RootStore, part: str) -> None:
    """Otherwise the largest would stay in memory, much larger than packed, long after their last pass."""
    keys = [KEY._replace(name=f"c{number}") for number in range(60)]
    for number, key in enumerate(keys):
        made = _cluster(11 + number, name=key.name, uid=key.name)
        store.apply({**made, part: {"note": f"{number}" * (LARGEST_UNPACKED // 20)}})

    def unpacked(key: Key) -> object:
        return getattr(store.get(key), part)

    first = [unpacked(key) for key in keys]
    again = [unpacked(key) for key in reversed(keys)][::-1]
    kept = [before is after for before, after in zip(first, again, strict=True)]
    assert 1 <= sum(kept) <= 20
    assert first == again


def test_clusters_of_one_template_share_their_spec(store: RootStore) -> None:
    """A fleet from one manifest costs its spec once, packed and unpacked."""
    other = KEY._replace(name="other")
    store.get(KEY)
    store.apply(_cluster(11, name=other.name, uid="u2"))
    one, two = store.get(KEY), store.get(other)
    assert one is not None
    assert two is not None
    assert one.spec is two.spec
    assert store.stored_spec(KEY) is store.stored_spec(other)
    store.apply(_cluster(12, name=other.name, uid="u2", generation=2))
    changed = store.get(other)
    assert changed is not None
    assert changed.spec == _cluster(12, generation=2)["spec"]
    assert store.get(KEY) == one
