"""A cache of the most recently used entries, bounded by number and total size."""

import pytest

from rayfleet.kube.cache.recent import Recent


def test_the_entry_used_least_recently_goes_first() -> None:
    """A read counts as a use."""
    kept = Recent[str, int](most=2, largest=100)
    kept.put("a", 1, 1)
    kept.put("b", 2, 1)
    assert kept.get("a") == 1
    kept.put("c", 3, 1)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        ((10,) * 10, 10),
        ((10,) * 11, 10),
        ((1,) * 12, 12),
        ((1,) * 13, 12),
        ((12,) * 10, 8),
        ((9, 1) * 10, 12),
    ],
)
def test_both_the_number_and_the_sizes_are_bounded(sizes: tuple[int, ...], left: int) -> None:
    """The newest are left."""
    kept = Recent[int, int](most=12, largest=100)
    for key, size in enumerate(sizes):
        kept.put(key, size, size)
    there = [key for key in range(len(sizes)) if kept.get(key) is not None]
    assert there == list(range(len(sizes)))[-left:]


def test_of_large_entries_only_the_newest_is_kept_and_takes_the_place_of_no_small_one() -> None:
    """Its user asks again at once; the users of the small ones do, too."""
    kept = Recent[str, int](most=10, largest=100)
    kept.put("small", 1, 12)
    kept.put("huge", 2, 1000)
    assert (kept.get("small"), kept.get("huge")) == (1, 2)
    kept.put("large", 3, 13)
    assert (kept.get("small"), kept.get("huge"), kept.get("large")) == (1, None, 3)
    kept.put("large", 4, 5)
    assert kept.get("large") == 4
    kept.put("huge", 5, 1000)
    kept.drop("huge")
    assert (kept.get("huge"), kept.get("small")) == (None, 1)


def test_a_replaced_or_removed_entry_frees_its_size() -> None:
    """Otherwise the cache would shrink with each replacement."""
    kept = Recent[int, int](most=10, largest=100)
    for _ in range(50):
        for key in range(8):
            kept.put(key, key, 12)
    assert [kept.get(key) for key in range(8)] == list(range(8))
    kept.drop(0)
    kept.drop(99)
    kept.put(8, 8, 12)
    assert [kept.get(key) for key in range(9)] == [None, *range(1, 9)]
