"""A real Prometheus watches a day of two minutes: every query has an answer, every alert fires."""

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.rules import read_alerts
from dashboards.cli import BOARDS
from support.chart import render_file, the
from support.cluster_api import ClusterApi
from support.faults.loop_thread import LoopThread
from support.other_exporters import other_exporters
from support.prometheus import Prometheus, prometheus
from support.watched_day import TRAINING, Day

PICTURES = "BOARD_PICTURES"
"""The folder into which every board is drawn, if somebody asks for it."""
STEP_SECONDS = 1
NOT_PLAYED = {"RayfleetCrdOutdated"}
"""The CRD is that of all tests."""


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    started = LoopThread("pretended Ray")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def day(api: ClusterApi, loop: LoopThread, jobs_allowed: None, tmp_path: Path) -> Iterator[Day]:  # noqa: ARG001
    made = Day(api, loop, tmp_path)
    yield made
    made.close()


def hurried_rules(folder: Path) -> dict[str, Any]:
    """The rendered alerts in a hurry; the API server's bookmarks come once a minute here, too."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump({"metrics": {"prometheusRule": {"enabled": True}}}))
    spec: dict[str, Any] = the("PrometheusRule", render_file(file))["spec"]
    for group in spec["groups"]:
        for rule in group["rules"]:
            rule["for"] = "2s"
            # One lost attempt, of one job, is enough.
            rule["expr"] = hurried(rule["expr"]).replace("> 150", "> 45").replace("> 2.5", "> 0.5")
    return spec


def hurried(query: str) -> str:
    """With ranges of minutes and hours cut to seconds; a day stays a day."""
    return re.sub(r"\[\d+[mh]\]", "[20s]", query).replace("[1d:5m]", "[1d:5s]")


def asked(expression: str, day: Day) -> str:
    """A query of a board with the choices that a reader may make."""
    chosen = {
        "$__rate_interval": "20s",
        "$namespace": day.namespace.name,
        "$cluster": TRAINING,
        "$price": "2.50",
    }
    for variable, value in chosen.items():
        expression = expression.replace(variable, value)
    return hurried(expression)


@pytest.mark.timeout(400)
def test_a_day_is_seen_on_every_panel_and_by_every_alert(day: Day, tmp_path: Path) -> None:
    """Alerts fire when they should and resolve; no panel is empty."""
    day.start_operators()
    since = time.time()
    with (
        other_exporters(day.namespace.name, TRAINING) as others,
        prometheus(
            tmp_path, "rayfleet", {**day.targets, "others": others.port}, hurried_rules(tmp_path)
        ) as server,
    ):

        def firing(alert: str) -> bool:
            return bool(server.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))

        day.play(server, others, firing)
        time.sleep(25)  # What happened in the last queries' ranges is over then.
        until = time.time()
        history = server.query_range('ALERTS{alertstate="firing"}', since, until, STEP_SECONDS)
        fired = {labels["alertname"] for labels, _ in history}
        assert fired == {alert.name for alert in read_alerts()} - NOT_PLAYED
        unresolved = [labels for labels, points in history if not resolves(points, until)]
        assert not unresolved
        answers = {
            board.uid: answers_of(json.loads(board.as_json()), server, day, (since, until))
            for board in BOARDS
        }
    if folder := os.environ.get(PICTURES):
        from support.board_pictures import draw  # noqa: PLC0415 - only who draws needs it

        for board in BOARDS:
            draw(json.loads(board.as_json()), answers[board.uid], Path(folder) / f"{board.uid}.png")
    empty = [
        f"{uid}: {query}" for uid, found in answers.items() for query, answer in found.items() if not answer
    ]
    assert not empty, "\n".join(empty)


def resolves(points: Sequence[tuple[float, float]], until: float) -> bool:
    """Whether an alert that fired at these times ended before `until`, or for a while in between."""
    times = [at for at, _ in points]
    pauses = [later - earlier for earlier, later in pairwise([*times, until])]
    return max(pauses) > 2 * STEP_SECONDS


def answers_of(
    board: dict[str, Any], server: Prometheus, day: Day, during: tuple[float, float]
) -> dict[str, Any]:
    """What Prometheus says to each query of a board over the day, marks included."""
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    queries += [mark["expr"] for mark in board["annotations"].get("list", [])]
    return {query: server.query_range(asked(query, day), *during, STEP_SECONDS) for query in queries}
