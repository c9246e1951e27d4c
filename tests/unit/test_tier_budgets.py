"""How the time of a test tier is judged."""

import pytest

from checks.pace import slowdown
from checks.tier import TIERS, judge


def test_a_tier_within_its_budget_is_not_reported() -> None:
    """Neither by hand nor in CI."""
    for ci in (False, True):
        verdict = judge("unit", 40.0, 1.0, ci=ci)
        assert (verdict.words, verdict.passes) == ("", True)


def test_a_tier_over_its_budget_says_so_and_passes() -> None:
    """By hand it always passes, however long it took."""
    verdict = judge("unit", 1000.0, 1.0, ci=False)
    assert verdict.words == "The unit tests took 1000 s, over their budget of 40 s."
    assert verdict.passes


@pytest.mark.parametrize(("took", "passes"), [(80.0, True), (80.1, False)])
def test_in_ci_a_tier_fails_beyond_twice_its_budget(took: float, *, passes: bool) -> None:
    """A tier that takes twice its budget does not get faster by itself."""
    assert judge("unit", took, 1.0, ci=True).passes is passes


@pytest.mark.parametrize(("took", "passes"), [(120.0, True), (120.1, False)])
def test_on_a_slower_machine_the_budget_is_as_much_longer(took: float, *, passes: bool) -> None:
    """A suite must not fail because of the machine alone."""
    verdict = judge("unit", took, 1.5, ci=True)
    assert verdict.passes is passes
    assert "on a machine currently 1.5 times slower" in verdict.words


def test_no_machine_shortens_a_budget() -> None:
    """A faster machine than the reference has the same budget."""
    assert slowdown() >= 1.0


def test_all_tiers_together_fit_into_the_time_limit_of_ci() -> None:
    """It is 45 minutes with everything built; lint and the quick benchmark take five of them."""
    assert sum(tier.budget for tier in TIERS.values()) <= 40 * 60
