"""The result of a run as a table in Markdown. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.bars import judge

Row = Sequence[str]
SHOWN = {
    "wall_s": "wall, s",
    "pods_per_s": "pods/s",
    "ratio_to_raw": "ratio to raw",
    "first_pod_p50_s": "first pod p50, s",
    "first_pod_p99_s": "p99",
    "all_pods_p50_s": "all pods p50, s",
    "all_pods_p99_s": "p99",
    "ready_p50_s": "ready p50, s",
    "ready_p99_s": "p99",
    "cpu_ms_per_pod": "CPU, ms/pod",
    "loop_ms": "loop, ms",
    "peak_rss_mib": "peak RSS, MiB",
}
"""The figures of scenarios that create pods, in order."""


def verdicts(result: Mapping[str, Any]) -> str:
    """Every bar, what was measured, and whether it holds."""
    scenarios = result["scenarios"]
    rows = [
        (
            scenarios[verdict.bar.scenario]["title"],
            verdict.bar.figure,
            verdict.bar.words(quick=result["quick"]),
            number(verdict.measured),
            verdict.word,
        )
        for verdict in judge(scenarios, quick=result["quick"])
    ]
    return _markdown(("scenario", "figure", "bar", "measured", ""), rows)


def waves(result: Mapping[str, Any]) -> str:
    """The figures of the scenarios that create many pods at once; empty if none ran."""
    rows = [
        (figures["title"], *(number(figures.get(name)) for name in SHOWN))
        for figures in result["scenarios"].values()
        if "ratio_to_raw" in figures
    ]
    return _markdown(("scenario", *SHOWN.values()), rows) if rows else ""


def calls(result: Mapping[str, Any]) -> str:
    """How often the operator called the API server."""
    rows = [
        (figures["title"], ", ".join(f"{n:,} {name}" for name, n in figures["calls"].items()) or "none")
        for figures in result["scenarios"].values()
        if "calls" in figures
    ]
    return _markdown(("scenario", "calls of the operator"), rows) if rows else ""


def environment(result: Mapping[str, Any]) -> str:
    """The machine and the versions, in one line."""
    facts = {**result["machine"], **result["versions"]}
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def report(result: Mapping[str, Any]) -> str:
    """All tables."""
    raw = ", ".join(f"{rate:.0f} at {n}" for n, rate in result["raw_pods_per_s"].items())
    parts = [environment(result), f"Raw client, pods/s by requests in flight: {raw}" if raw else ""]
    parts += [verdicts(result), waves(result), calls(result)]
    return "\n\n".join(filter(None, parts))


def number(value: object) -> str:
    """A figure with its significant digits."""
    if not isinstance(value, int | float):
        return "-"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _markdown(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
