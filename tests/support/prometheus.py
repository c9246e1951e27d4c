"""A real Prometheus, Debian's, that scrapes what a test tells it to."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.operator_process import free_ports
from support.waiting import eventually
from testbed import prerequisites

SCRAPE_SECONDS = 1
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int
    _targets_file: Path

    def scrape(self, targets: Mapping[str, int]) -> None:
        """Scrape these ports of this machine from now on, by the name of their instance."""
        groups = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": instance}}
            for instance, port in targets.items()
        ]
        written = self._targets_file.with_suffix(".new")
        written.write_text(json.dumps(groups))
        written.replace(self._targets_file)

    def query_range(
        self, promql: str, since: float, until: float, step: float
    ) -> list[tuple[Labels, list[tuple[float, float]]]]:
        """The answer to a range query: labels of each series, and its values by time."""
        arguments = {"query": promql, "start": since, "end": until, "step": step}
        data = self._ask("query_range", arguments)
        return [
            (series["metric"], [(float(at), float(value)) for at, value in series["values"]])
            for series in data["result"]
        ]

    def query(self, promql: str) -> list[tuple[Labels, float]]:
        """The answer to an instant query: labels and value of each series. Fails for invalid PromQL."""
        data = self._ask("query", {"query": promql})
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def _ask(self, what: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{arguments['query']}: {json.load(error)['error']}") from error

    def value(self, promql: str) -> float | None:
        """The value of the only series of an answer; None if there is no series."""
        found = self.query(promql)
        assert len(found) <= 1, f"{promql} gives {len(found)} series: {found}"
        return found[0][1] if found else None

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def prometheus(
    folder: Path, job: str, targets: Mapping[str, int], rules: Mapping[str, Any] | None = None
) -> Iterator[Prometheus]:
    """Prometheus with its data in `folder`, scraping ports of this machine by the name of their instance.

    It evaluates `rules` as often as it scrapes.
    """
    prerequisites.require(prerequisites.METRICS)
    (port,) = free_ports(1)
    rules_file, targets_file = folder / "rules.yaml", folder / "targets.json"
    rules_file.write_text(yaml.safe_dump(rules or {"groups": []}))
    every = f"{SCRAPE_SECONDS}s"
    config = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(rules_file)],
        "scrape_configs": [
            {
                "job_name": job,
                "honor_labels": True,
                "file_sd_configs": [{"files": [str(targets_file)], "refresh_interval": every}],
            }
        ],
    }
    running = Prometheus(port, targets_file)
    running.scrape(targets)
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    file.write_text(yaml.safe_dump(config))
    command = [
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        eventually("Prometheus to be ready", running.is_ready, seconds=30, why=log.read_text)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def promtool_complaints(text: str) -> str:
    """The complaints of `promtool check metrics` about an exposition in the text format; empty if none."""
    prerequisites.require(prerequisites.METRICS)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


def promtool_rule_tests(folder: Path, rules: Mapping[str, Any], tests: Sequence[Mapping[str, Any]]) -> str:
    """The failures of these tests when Prometheus evaluates these rules; empty if none."""
    prerequisites.require(prerequisites.METRICS)
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    file = folder / "tests.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": list(tests)})
    )
    command = ["promtool", "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""
