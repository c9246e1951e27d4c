"""Draws a board from its own JSON and from what Prometheus answered, laid out like the board."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final, TypeAlias

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

Series: TypeAlias = tuple[Mapping[str, str], Sequence[tuple[float, float]]]
Answers: TypeAlias = Mapping[str, Sequence[Series]]
"""To each query its series."""
Json = dict[str, Any]

COLUMNS: Final = 24
WIDTH_INCHES: Final = 17.0
UNIT_INCHES: Final = 0.36
"""Height of one unit of the board's grid."""
DPI: Final = 72
GAP_SECONDS: Final = 3
"""A line breaks if it has no point for longer."""
ROWS_OF_A_TABLE: Final = 6
INK, DIM, PAPER, CARD = "#1f2733", "#6b7686", "#eef0f3", "#ffffff"
COLORS: Final = ("#3366cc", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#64b5cd")


def draw(board: Json, answers: Answers, file: Path) -> None:
    """One picture of the whole board."""
    height = max(place["y"] + place["h"] for place in (panel["gridPos"] for panel in board["panels"])) + 2
    figure = plt.figure(figsize=(WIDTH_INCHES, height * UNIT_INCHES), facecolor=PAPER)
    figure.text(0.008, 1 - 0.9 / height, board["title"], size=17, weight="bold", color=INK, va="center")
    marks = {mark["expr"]: mark["iconColor"] for mark in board["annotations"].get("list", [])}
    times = [at for found in answers.values() for _, points in found for at, _ in points]
    during = [datetime.fromtimestamp(at, UTC) for at in (min(times), max(times))]
    for panel in board["panels"]:
        box = _box(panel["gridPos"], height)
        if panel["type"] == "row":
            figure.text(box[0] + 0.004, box[1] + box[3] / 2, panel["title"], size=12, color=INK, va="center")
            continue
        card = figure.add_axes(box, facecolor=CARD)
        card.set_xticks([])
        card.set_yticks([])
        for side in card.spines.values():
            side.set_color("#d5d9e0")
        left, bottom, width, tall = box
        figure.text(
            left + 0.006, bottom + tall - 0.45 / height, panel["title"], size=9.5, color=INK, va="center"
        )
        inner = (left + 0.006, bottom + 0.15 / height, width - 0.012, tall - 1.0 / height)
        axes = figure.add_axes(inner, facecolor=CARD)
        _DRAW[panel["type"]](axes, panel, answers, marks)
        if panel["type"] != "table":
            axes.set_xlim(*during)  # type: ignore[arg-type]  # it takes times
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DPI, facecolor=PAPER)
    plt.close(figure)
    # A palette makes a file that a repository can carry.
    Image.open(drawn).convert("RGB").quantize(255).save(file, optimize=True)


def _box(place: Mapping[str, int], height: int) -> tuple[float, float, float, float]:
    gap = 0.15
    bottom = height - 2 - place["y"] - place["h"]
    return (
        (place["x"] + gap) / COLUMNS,
        (bottom + gap) / height,
        (place["w"] - 2 * gap) / COLUMNS,
        (place["h"] - 2 * gap) / height,
    )


def _number(axes: Axes, panel: Json, answers: Answers, _marks: Mapping[str, str]) -> None:
    axes.axis("off")
    (target,) = panel["targets"]
    found = answers[target["expr"]]
    points = found[0][1] if found else []
    if points:
        axes.fill_between(_times(points), [value for _, value in points], color=COLORS[0], alpha=0.15, lw=0)
        axes.margins(0, 0.6)
        peak = max(value for _, value in points)
        words = f"{_text(points[-1][1], panel)}"
        axes.text(0.5, 0.55, words, transform=axes.transAxes, size=19, ha="center", va="center", color=INK)
        axes.text(
            0.5,
            0.1,
            f"at most {_text(peak, panel)}",
            transform=axes.transAxes,
            size=7.5,
            ha="center",
            color=DIM,
        )


def _graph(axes: Axes, panel: Json, answers: Answers, marks: Mapping[str, str]) -> None:
    lines: list[tuple[str, Sequence[tuple[float, float]]]] = []
    for target in panel["targets"]:
        for labels, points in answers[target["expr"]]:
            numbers = [(at, value) for at, value in points if not math.isnan(value)]
            if numbers:
                lines.append((_legend(target["legendFormat"], labels), numbers))
    stacks = panel["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode") == "normal"
    lines.sort(key=lambda line: -max(value for _, value in line[1]))
    below: dict[float, float] = {}
    for number, (name, points) in enumerate(lines[:8]):
        color = COLORS[number % len(COLORS)]
        last, most = points[-1][1], max(value for _, value in points)
        label = f"{name}  (last {_text(last, panel)}, max {_text(most, panel)})"
        floor = [below.get(at, 0.0) if stacks else 0.0 for at, _ in points]
        top = [value + under for (_, value), under in zip(points, floor, strict=True)]
        times, drawn_floor, drawn_top = _with_gaps(points, floor, top)
        axes.plot(times, drawn_top, color=color, lw=1.3, label=label)
        if stacks:
            axes.fill_between(times, drawn_floor, drawn_top, color=color, alpha=0.25, lw=0)
            below.update({at: level for (at, _), level in zip(points, top, strict=True)})
    for query, color in marks.items():
        for _, points in answers[query]:
            for at in _beginnings(points):
                axes.axvline(datetime.fromtimestamp(at, UTC), color=color, alpha=0.5, lw=1, ls=":")  # type: ignore[arg-type]  # it takes times
    axes.set_ylim(bottom=0)
    axes.grid(color="#e4e7ec", lw=0.7)
    axes.tick_params(labelsize=7, colors=DIM, length=0)
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]  # it has no types
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _text(value, panel)))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=panel["fieldConfig"]["defaults"]["unit"] == "none"))
    for side in axes.spines.values():
        side.set_visible(False)
    rows = min(len(lines), 8)
    place = axes.get_position()
    legend = 0.075 * -(-rows // 2) + 0.10
    axes.set_position(
        (
            place.x0 + 0.035,
            place.y0 + place.height * legend,
            place.width - 0.04,
            place.height * (1 - legend),
        )
    )
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.06 * 12 / panel["gridPos"]["w"], -0.09),
        ncols=2,
        fontsize=7,
        frameon=False,
        labelcolor=INK,
    )


def _table(axes: Axes, panel: Json, answers: Answers, _marks: Mapping[str, str]) -> None:
    """The moment with most rows, and the largest values: at the end of the day there may be none."""
    axes.axis("off")
    (target,) = panel["targets"]
    organized = panel["transformations"][1]["options"]
    order = sorted(organized["indexByName"].items(), key=lambda item: item[1])
    names = {label: organized["renameByName"][label] for label, _ in order}
    moments: dict[float, list[list[str]]] = {}
    sums: defaultdict[float, float] = defaultdict(float)
    for labels, points in answers[target["expr"]]:
        for at, value in points:
            row = [labels.get(label, "") for label in names if label != "Value"]
            moments.setdefault(at, []).append([*row, _text(value, panel)])
            sums[at] += value
    best = max(moments, key=lambda at: (len(moments[at]), sums[at]), default=0.0)
    rows = moments.get(best, [])[:ROWS_OF_A_TABLE]
    if rows:
        table = axes.table(
            cellText=rows,
            colLabels=list(names.values()),
            loc="upper left",
            cellLoc="left",
            edges="horizontal",
        )
        table.auto_set_font_size(False)
        table.set_fontsize(8)
        table.scale(1, 1.25)
        for (place, _), cell in table.get_celld().items():
            cell.set_edgecolor("#e4e7ec")
            cell.get_text().set_color(DIM if place == 0 else INK)


_DRAW: Final = {"stat": _number, "timeseries": _graph, "table": _table}


def _with_gaps(
    points: Sequence[tuple[float, float]], floor: Sequence[float], top: Sequence[float]
) -> tuple[list[Any], list[float], list[float]]:
    """Times and two lines; where there is no point for a while, the lines break."""
    times: list[Any] = []
    low: list[float] = []
    high: list[float] = []
    before = points[0][0]
    for (at, _), under, over in zip(points, floor, top, strict=True):
        if at - before > GAP_SECONDS:
            times.append(datetime.fromtimestamp(before + 1, UTC))
            low.append(math.nan)
            high.append(math.nan)
        times.append(datetime.fromtimestamp(at, UTC))
        low.append(under)
        high.append(over)
        before = at
    return times, low, high


def _beginnings(points: Sequence[tuple[float, float]]) -> list[float]:
    """When a query begins to have an answer."""
    times = [at for at, _ in points]
    return [at for number, at in enumerate(times) if not number or at - times[number - 1] > GAP_SECONDS]


def _times(points: Sequence[tuple[float, float]]) -> list[Any]:
    return [datetime.fromtimestamp(at, UTC) for at, _ in points]


def _legend(form: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form)


def _text(value: float, panel: Json) -> str:
    """A value with its unit, as Grafana writes it."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if unit == "bool_yes_no":
        return "Yes" if value else "No"
    if unit == "currencyUSD":
        return f"${value:.2f}"
    if unit == "s":
        return _duration(value)
    if unit in {"bytes", "decmbytes"}:
        return _bytes(value if unit == "bytes" else value * 1e6)
    suffix = {"percent": "%", "percentunit": "%", "ops": " ops/s", "reqps": " req/s"}.get(
        unit, unit.removeprefix("suffix:") if unit.startswith("suffix:") else ""
    )
    number = value * 100 if unit == "percentunit" else value
    return f"{number:.3g}{suffix}"


def _duration(value: float) -> str:
    for size, name in ((3600, "h"), (60, "min"), (1, "s")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value * 1000:.3g} ms"


def _bytes(value: float) -> str:
    for size, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.0f} B"
