"""kubectl, helm, the API server and Prometheus accept what pages show for them."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.cli.main import main
from support.cluster_api import ClusterApi
from support.job_operators import take_jobs_off
from support.operator_process import RELEASE, install_chart
from support.page_blocks import ROOT, Block, all_blocks
from support.shown_commands import Command, all_commands, commands_in_prose
from support.testbed import RunningControlPlane
from testbed import binaries, prerequisites

CHART = ROOT / "charts" / "rayfleet"
OTHER_PLUGINS = {"ray": "KubeRay's plugin", "rayfleet": "ours: tests/unit/test_docs_commands.py"}
"""Plugins of kubectl that pages name; whose they are."""
QUEUE_KEYS = {"tasks", "gangs", "requestResources", "nodes"}
VALUES_KEYS = set(yaml.safe_load((CHART / "values.yaml").read_text()))
SHOWN = [*all_commands(), *commands_in_prose()]
APPLIED = [one for one in all_commands() if one.words[:2] == ("kubectl", "apply")]

_OWN_METRIC = re.compile(r"\b(?:rayfleet|kuberay)_\w+")
_OF_A_HISTOGRAM = re.compile(r"_(?:bucket|sum|count)$")


@pytest.fixture(scope="module")
def kubeconfig(installed: RunningControlPlane) -> Iterator[str]:
    """The option that names a cluster which serves our kinds, RayJobs too: a moment after installing."""
    install_chart(installed.kubeconfig, "jobs.enabled=true")
    option = f"--kubeconfig={installed.kubeconfig}"
    crds = ("crd/rayclusters.ray.io", "crd/rayjobs.ray.io")
    established = ("wait", *crds, "--for=condition=Established", "--timeout=60s")
    done = run(binaries.path("kubectl"), option, *established)
    assert done.returncode == 0, done.stderr
    yield option
    with closing(ClusterApi(installed.kubeconfig)) as api:
        take_jobs_off(api)


def run(*command: object, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], input=given, cwd=ROOT, capture_output=True, text=True, check=False
    )


def of_program(program: str) -> list[Command]:
    return [command for command in SHOWN if command.program == program]


@pytest.mark.parametrize("command", of_program("kubectl"), ids=str)
def test_kubectl_has_the_command_and_its_flags(command: Command) -> None:
    """With `--help` it reads all flags before it prints the usage of the command."""
    if command.arguments[0] in OTHER_PLUGINS:
        return
    own = command.arguments[: _index(command.arguments, "--")]
    done = run(binaries.path("kubectl"), *own, "--help")
    assert done.returncode == 0, done.stderr
    assert _verb(done.stdout) in own


@pytest.mark.parametrize("command", of_program("helm"), ids=str)
def test_helm_has_the_command_its_flags_and_the_values_exist(command: Command) -> None:
    """The chart's schema refuses a value that it does not know."""
    helm = binaries.path("helm")
    done = run(helm, *command.arguments, "--help")
    assert done.returncode == 0, done.stderr
    assert _verb(done.stdout) in command.arguments
    pairs = zip(command.arguments, command.arguments[1:], strict=False)
    values = [word for flag, value in pairs if flag.startswith("--set") for word in (flag, value)]
    rendered = run(helm, "template", RELEASE, CHART, *values)
    assert rendered.returncode == 0, rendered.stderr


@pytest.mark.parametrize("command", APPLIED, ids=str)
def test_manifests_for_kubectl_are_accepted(command: Command, kubeconfig: str) -> None:
    done = run(
        *(binaries.path("kubectl"), kubeconfig, *command.arguments),
        *("--dry-run=server", "--validate=strict"),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_a_block_of_yaml_is_accepted_by_what_reads_it(block: Block, kubeconfig: str, tmp_path: Path) -> None:
    """The API server checks manifests and parts of them, the chart values, `rayfleet plan` queues."""
    for document in yaml.safe_load_all(block.text):
        if only(document, VALUES_KEYS):
            done = run(binaries.path("helm"), "template", RELEASE, CHART, "--values=-", given=block.text)
            assert done.returncode == 0, done.stderr
        elif only(document, QUEUE_KEYS):
            (tmp_path / "queue.yaml").write_text(block.text)
            (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(with_groups_of(document)))
            assert main(["plan", "-f", f"{tmp_path}/cluster.yaml", "--demand", f"{tmp_path}/queue.yaml"]) == 0
        else:
            done = run(
                *(binaries.path("kubectl"), kubeconfig, "apply"),
                *("--dry-run=server", "--validate=strict", "--filename=-"),
                given=yaml.safe_dump(whole(document)),
            )
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", all_blocks("promql"), ids=str)
def test_a_query_is_promql_and_asks_for_metrics_that_exist(block: Block, tmp_path: Path) -> None:
    """One on each line, checked as the expression of a rule."""
    prerequisites.require(prerequisites.METRICS)
    rules = [{"record": "checked", "expr": line} for line in block.text.splitlines()]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}))
    done = run("promtool", "check", "rules", "--lint=none", file)
    assert done.returncode == 0, done.stdout + done.stderr
    documented = set(_OWN_METRIC.findall((ROOT / "docs/reference/metrics.md").read_text()))
    asked = {_OF_A_HISTOGRAM.sub("", name) for name in _OWN_METRIC.findall(block.text)}
    assert asked <= documented


def only(document: object, known: set[str]) -> bool:
    return isinstance(document, dict) and document.keys() <= known


def whole(document: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """The manifest, or a RayCluster around a part of one: its `spec`, or some of its worker groups."""
    if isinstance(document, dict) and "apiVersion" in document:
        return document
    given = {"workerGroupSpecs": document} if isinstance(document, list) else document.get("spec")
    assert given, "no manifest, no part of a RayCluster, no values, no queue: say here how it is checked"
    groups = [
        {"rayStartParams": {}, "template": _pods("worker"), **group}
        for group in given.get("workerGroupSpecs", [])
    ]
    head = {"headGroupSpec": {"rayStartParams": {}, "template": _pods("head")}}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "page", "namespace": "default"},
        "spec": {**head, **given, "workerGroupSpecs": groups},
    }


def with_groups_of(queue: dict[str, Any]) -> dict[str, Any]:
    """A cluster with the groups that a queue's nodes are of."""
    groups = sorted({node["group"] for node in queue.get("nodes", [])})
    return whole([{"groupName": name, "minReplicas": 0, "maxReplicas": 4} for name in groups])


def _verb(help_text: str) -> str:
    """The command that a help text is about."""
    return help_text.partition("Usage:")[2].split()[1]


def _pods(container: str) -> dict[str, Any]:
    limits = {"cpu": "8", "memory": "8Gi", "nvidia.com/gpu": "1"}
    return {
        "spec": {"containers": [{"name": container, "image": "ray:2.60.0", "resources": {"limits": limits}}]}
    }


def _index(words: Sequence[str], word: str) -> int:
    return words.index(word) if word in words else len(words)
