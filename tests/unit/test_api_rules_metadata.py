"""Rules about names, owners and updates: each finds what breaks it, and lets its fixed twin pass."""

import pytest

from rayfleet.api.raycluster.rules import metadata, upgrade
from support.rule_rows import Row, check, row_id, rules_of

ROWS = [
    Row(metadata.name_fits_into_pod_names, "metadata.name", name="c" * 54, fixed_name="c" * 53),
    Row(metadata.name_is_a_service_name, "metadata.name", name="1st", fixed_name="c-1"),
    Row(metadata.name_is_a_service_name, "metadata.name", name="a.b", fixed_name="a-b"),
    Row(
        metadata.manager_is_known,
        "spec.managedBy",
        {"managedBy": "me"},
        {"managedBy": "rayfleet.io/operator"},
    ),
    Row(
        upgrade.owner_decides_on_upgrades,
        "spec.upgradeStrategy",
        {"upgradeStrategy": {"type": "Recreate"}},
        labels={"ray.io/originated-from-crd": "RayJob"},
    ),
    Row(
        upgrade.rolling_update_can_move,
        "spec.upgradeStrategy.maxSurge",
        {"upgradeStrategy": {"type": "Recreate", "maxSurge": 1}},
        {"upgradeStrategy": {"type": "RollingUpdate", "maxSurge": 1}},
    ),
    Row(
        upgrade.rolling_update_can_move,
        "spec.upgradeStrategy.maxUnavailable",
        {"upgradeStrategy": {"type": "RollingUpdate", "maxUnavailable": "-1%"}},
        {"upgradeStrategy": {"type": "RollingUpdate", "maxUnavailable": "25%"}},
    ),
    Row(
        upgrade.rolling_update_can_move,
        "spec.upgradeStrategy",
        {"upgradeStrategy": {"type": "RollingUpdate", "maxUnavailable": "0%", "maxSurge": 0}},
        {"upgradeStrategy": {"type": "RollingUpdate", "maxUnavailable": 0, "maxSurge": 1}},
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_rule(row: Row) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert rules_of(metadata, upgrade) == {row.rule for row in ROWS}
