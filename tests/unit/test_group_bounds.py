"""A cluster has at most a hundred worker groups, because every pass considers each."""

from typing import Any

import pytest

from rayfleet.api.raycluster import parse_spec
from rayfleet.api.raycluster.spec import RayClusterSpec
from rayfleet.kinds.raycluster.validity import judge
from support.builders import cluster, group, spec


def groups(count: int, **fields: Any) -> dict[str, Any]:
    return spec(*(group(f"g{n}", **fields) for n in range(count)))


def test_a_hundred_groups_are_accepted_and_one_more_is_not() -> None:
    """One sentence names the field and the remedy, however many there are."""
    assert isinstance(parse_spec(groups(100)), RayClusterSpec)
    for count in (101, 5_000):
        judged = judge(cluster(groups(count)), None, None, {})
        assert judged.spec is None
        assert [str(one) for one in judged.violations] == [
            "spec.workerGroupSpecs: must have at most 100 entries: remove some of them."
        ]


@pytest.mark.parametrize("count", [101, 100_000])
def test_a_group_names_a_hundred_fallback_groups_at_most(count: int) -> None:
    """Repeated names count as well."""
    found = parse_spec(spec(group("a", fallback={"groups": ["b"] * count}), group("b")))
    assert isinstance(found, tuple)
    assert [one.path for one in found] == ["spec.workerGroupSpecs[0].fallback.groups"]
