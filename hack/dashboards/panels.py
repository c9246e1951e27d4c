"""The kinds of panels that our boards have, with what each of them must say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""Whichever Prometheus the reader chooses at the top of the board."""
GPUS: Final = "suffix: GPUs"
WIDTH: Final = 24
"""Columns of Grafana's grid."""


P = TypeVar("P", stat.Panel, timeseries.Panel, table.Panel)


class Link(NamedTuple):
    """Where to look next."""

    title: str
    url: str


class Query(NamedTuple):
    """PromQL, and what a line of its answer is called; `{{label}}` stands for a label's value."""

    expression: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class _Panel:
    title: str
    """A question, or a quantity."""
    description: str
    unit: str
    link: Link
    width: int
    height: int = 8


@dataclass(frozen=True, kw_only=True)
class Number(_Panel):
    """One number, large."""

    query: Query
    height: int = 4
    width: int = 4
    warns_above: float | None = None
    """It is drawn in orange above this."""


@dataclass(frozen=True, kw_only=True)
class Graph(_Panel):
    """Lines over time."""

    queries: Sequence[Query]
    width: int = 12
    stacked: bool = False


@dataclass(frozen=True, kw_only=True)
class Table(_Panel):
    """What is true now, a row for each series."""

    query: Query
    """Its legend heads the column of the values."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The labels that are shown, in order, and what heads their columns."""
    row_link: Link | None = None
    """Where a click on a row leads."""
    width: int = 12


@dataclass(frozen=True, kw_only=True)
class Row:
    """A heading."""

    title: str


Panel: TypeAlias = Number | Graph | Table


def build(panel: Panel, number: int) -> stat.Panel | timeseries.Panel | table.Panel:
    """Grafana's panel, with `number` as its id."""
    match panel:
        case Number():
            return _number(panel).id(number)
        case Graph():
            return _graph(panel).id(number)
        case Table():
            return _table(panel).id(number)


def dashboard_link(link: Link) -> dashboard.DashboardLink:
    """Grafana's link."""
    return (
        dashboard.DashboardLink(link.title)
        .type(DashboardLinkType.LINK)
        .url(link.url)
        .keep_time(link.url.startswith("/d/"))
        .target_blank(not link.url.startswith("/d/"))
    )


def _framed(made: P, panel: Panel) -> P:
    """Grafana's panel with what every panel says."""
    return (
        made.title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
        .links([dashboard_link(panel.link)])
    )


def _number(panel: Number) -> stat.Panel:
    steps = [Threshold(color="text")]
    if panel.warns_above is not None:
        steps.append(Threshold(value=panel.warns_above, color="orange"))
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return (
        _framed(stat.Panel(), panel)
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds)
        .with_target(_range(panel.query, "A"))
    )


def _graph(panel: Graph) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
        .show_legend(True)
    )
    made = (
        _framed(timeseries.Panel(), panel)
        .min(0)
        .fill_opacity(25 if panel.stacked else 5)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        made.with_target(_range(query, letter))
    return made


def _table(panel: Table) -> table.Panel:
    names = {**panel.columns, "Value": panel.query.legend}
    organize = {
        "indexByName": {label: place for place, label in enumerate(names)},
        "renameByName": names,
    }
    only_these = {"include": {"names": list(names)}}
    made = (
        _framed(table.Panel(), panel)
        .with_transformation(DataTransformerConfig(id_val="filterFieldsByName", options=only_these))
        .with_transformation(DataTransformerConfig(id_val="organize", options=organize))
        .sort_by([common.TableSortByFieldState().display_name(panel.query.legend).desc(True)])
        .with_target(
            prometheus.Dataquery()
            .expr(panel.query.expression)
            .legend_format(panel.query.legend)
            .instant()
            .format(PromQueryFormat.TABLE)
            .ref_id("A")
            .datasource(SOURCE)
        )
    )
    if panel.row_link is not None:
        link = {"title": panel.row_link.title, "url": panel.row_link.url}
        for name in panel.columns.values():
            made.override_by_name(name, [DynamicConfigValue(id_val="links", value=[link])])
    return made


def _range(query: Query, letter: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expression)
        .legend_format(query.legend)
        .range()
        .ref_id(letter)
        .datasource(SOURCE)
    )
