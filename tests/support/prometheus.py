"""A real Prometheus, Debian's, that scrapes what a test tells it to."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

    def query(self, promql: str) -> list[tuple[Labels, float]]:
        """The answer to an instant query: labels and value of each series. Fails where it is no PromQL."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                data = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{promql}: {json.load(error)['error']}") from error
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def value(self, promql: str) -> float | None:
        """The value of the only series of an answer; none where there is no series."""
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
def prometheus(folder: Path, job: str, targets: Mapping[str, int]) -> Iterator[Prometheus]:
    """Prometheus with its data in `folder`, scraping ports of this machine by the name of their instance."""
    prerequisites.require(prerequisites.METRICS)
    (port,) = free_ports(1)
    config = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {
                "job_name": job,
                "honor_labels": True,
                "static_configs": [
                    {"targets": [f"127.0.0.1:{target}"], "labels": {"instance": instance}}
                    for instance, target in targets.items()
                ],
            }
        ],
    }
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    file.write_text(yaml.safe_dump(config))
    command = [
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    running = Prometheus(port)
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
    """What `promtool check metrics` has to say about an exposition in the text format; empty: nothing."""
    prerequisites.require(prerequisites.METRICS)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr + (f"exit code {done.returncode}" if done.returncode else "")
