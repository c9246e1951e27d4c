"""How a benchmark's figures are aggregated and judged."""

import pytest

from benchmarks.bars import BARS, Bar, Kind, judge
from benchmarks.percentile import median, percentile
from benchmarks.scenarios import SCENARIOS

RATIO = Bar("create", "ratio_to_raw", 0.5, Kind.RATIO)
TIME = Bar("replace", "median_ms", 25, Kind.TIME)
EACH = Bar("memory", "kib_per_cluster", 60, Kind.EACH)
AMOUNT = Bar("quiet", "writes", 0, Kind.AMOUNT)


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (50, 3.0), (80, 4.0), (81, 5.0), (99, 5.0), (100, 5.0)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    """It is the nearest rank: no figure between two measured ones is invented."""
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], percent) == expected


def test_the_median_of_one_value_is_that_value() -> None:
    """The smallest case there is."""
    assert median([7.0]) == 7.0


def test_no_values_have_no_percentile() -> None:
    """A scenario that measured nothing must not pass for a fast one."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


@pytest.mark.parametrize(
    ("bar", "run", "holds", "misses"),
    [
        (RATIO, "full", 0.5, 0.499),
        (RATIO, "quick", 0.25, 0.249),
        (TIME, "full", 25.0, 25.1),
        (EACH, "full", 60.0, 60.1),
        (EACH, "quick", 240.0, 240.1),
        (AMOUNT, "full", 0, 1),
        (AMOUNT, "quick", 0, 1),
    ],
)
def test_a_quick_run_allows_more_where_its_small_sizes_matter(
    bar: Bar, run: str, holds: float, misses: float
) -> None:
    """It allows four times the memory per item, half the ratios, and the same amounts."""
    assert bar.holds(holds, quick=run == "quick")
    assert not bar.holds(misses, quick=run == "quick")


def test_a_quick_run_shows_times_and_does_not_judge_them() -> None:
    """A slow machine makes every time longer, and no test may fail by time alone."""
    (verdict,) = judge({"replace": {"median_ms": 9_999.0}}, quick=True)
    assert (verdict.holds, verdict.word) == (True, "shown, not judged")
    (verdict,) = judge({"replace": {"median_ms": 9_999.0}}, quick=False)
    assert (verdict.holds, verdict.word) == (False, "**missed**")


def test_a_quick_run_does_not_judge_figures_that_are_times_by_their_name() -> None:
    """Such names end in seconds, milliseconds, or parts of a core."""
    figures = {bar.figure for bar in BARS}
    named = {figure for figure in figures if "_ms" in figure or figure.endswith(("_s", "_percent"))}
    assert {bar.figure for bar in BARS if bar.kind is Kind.TIME} == named


def test_only_scenarios_that_ran_are_judged() -> None:
    """`--only` does not fail for omitted scenarios."""
    assert [v.bar.figure for v in judge({"quiet": {"writes": 0, "core_percent": 3.0}}, quick=False)] == [
        "writes",
        "core_percent",
    ]


def test_a_figure_that_was_not_measured_is_an_error() -> None:
    """A scenario without one of its figures is not a success."""
    with pytest.raises(KeyError, match="core_percent"):
        judge({"quiet": {"writes": 0}}, quick=False)


def test_every_scenario_has_a_bar_and_every_bar_a_scenario() -> None:
    """Nothing is measured without a bar, and every bar is used."""
    assert {bar.scenario for bar in BARS} == set(SCENARIOS)
