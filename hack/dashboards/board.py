"""A board: its panels in rows, the choices at its top, marks on its time axis."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.panels import SOURCE, Link, Panel, Row, build, dashboard_link

TAG: Final = "rayfleet"
FLEET: Final = Link("The fleet", "/d/rayfleet-fleet?${datasource:queryparam}")
CLUSTER: Final = Link("One cluster", "/d/rayfleet-cluster?${datasource:queryparam}")
JOBS: Final = Link("Jobs", "/d/rayfleet-jobs?${datasource:queryparam}")
OPERATOR: Final = Link("The operator", "/d/rayfleet-operator?${datasource:queryparam}")
_DOCS: Final = "https://github.com/rayfleet/rayfleet/blob/main/docs"
MONITORING: Final = Link("Monitoring", f"{_DOCS}/monitoring.md")


def runbook(alert: str) -> Link:
    """The page of an alert."""
    return Link(f"Runbook {alert}", f"{_DOCS}/runbooks/{alert}.md")


def how_to(title: str, page: str) -> Link:
    """A page of the documentation."""
    return Link(title, f"{_DOCS}/{page}")


class Choice(NamedTuple):
    """A variable whose values are those of a label."""

    name: str
    label: str
    query: str
    several: bool


class Setting(NamedTuple):
    """A variable that the reader types."""

    name: str
    label: str
    default: str


class Mark(NamedTuple):
    """Times at which a query has an answer are marked in every graph."""

    name: str
    expression: str
    color: str


Variable: TypeAlias = Choice | Setting


@dataclass(frozen=True, kw_only=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    variables: Sequence[Variable]
    content: Sequence[Row | Panel]
    marks: Sequence[Mark] = ()

    def as_json(self) -> str:
        """What Grafana imports."""
        made = (
            dashboard.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .timezone("browser")
            .time("now-6h", "now")
            .refresh("1m")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .readonly()
            .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        )
        for variable in self.variables:
            made.with_variable(_variable(variable))
        for mark in self.marks:
            made.annotation(
                dashboard.AnnotationQuery()
                .name(mark.name)
                .datasource(SOURCE)
                .enable(True)
                .icon_color(mark.color)
                .expr(mark.expression)
            )
        for link in (FLEET, CLUSTER, JOBS, OPERATOR, MONITORING):
            made.link(dashboard_link(link))
        for number, item in enumerate(self.content, start=1):
            if isinstance(item, Row):
                made.with_row(dashboard.Row(item.title).id(number))
            else:
                made.with_panel(build(item, number))
        return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _variable(variable: Variable) -> dashboard.QueryVariable | dashboard.TextBoxVariable:
    if isinstance(variable, Setting):
        return dashboard.TextBoxVariable(variable.name).label(variable.label).default_value(variable.default)
    made = (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(SOURCE)
        .query(variable.query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    if variable.several:
        everything = VariableOption(text="All", value="$__all", selected=True)
        made.multi(True).include_all(True).all_value(".*").current(everything)
    return made
