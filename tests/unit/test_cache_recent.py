"""A cache of what was used last, within a number and a total size."""

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


@pytest.mark.parametrize(("sizes", "left"), [((40, 40, 40), "bc"), ((40, 70, 30), "bc"), ((1, 1, 100), "c")])
def test_sizes_add_up_to_the_largest_at_most(sizes: tuple[int, int, int], left: str) -> None:
    """However few the entries are."""
    kept = Recent[str, int](most=10, largest=100)
    for key, size in zip("abc", sizes, strict=True):
        kept.put(key, size, size)
    assert "".join(key for key in "abc" if kept.get(key)) == left


def test_the_newest_stays_whatever_its_size() -> None:
    """Its user asks again at once; the next one takes its place."""
    kept = Recent[str, int](most=10, largest=100)
    kept.put("huge", 1, 1000)
    assert kept.get("huge") == 1
    kept.put("small", 2, 1)
    assert (kept.get("huge"), kept.get("small"), len(kept)) == (None, 2, 1)


def test_an_entry_that_is_replaced_or_removed_gives_its_size_back() -> None:
    """Else the cache would shrink with each replacement."""
    kept = Recent[str, int](most=10, largest=100)
    for value in range(50):
        kept.put("a", value, 90)
    kept.put("b", 1, 10)
    assert (kept.get("a"), kept.get("b")) == (49, 1)
    kept.drop("a")
    kept.drop("never there")
    kept.put("c", 1, 90)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (None, 1, 1)
