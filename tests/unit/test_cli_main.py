"""The command line as a whole: help, exit codes, and fast answers."""

import json
import re
import subprocess
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cli_reference.page import reference
from rayfleet import __version__
from rayfleet.api.strict_yaml import read_yaml
from rayfleet.cli.api_server import api_server
from rayfleet.cli.arguments import parse, parser
from rayfleet.cli.demand_file import DemandFile, parse_demand
from rayfleet.cli.main import main
from rayfleet.cli.tables import WIDTH
from support.api_answers import api_answers
from support.builders import group, raycluster, spec
from support.cluster_api import ClusterApi

ROOT = Path(__file__).parents[2]
PLANNING = ROOT / "examples" / "planning"
PLAN = ["plan", "-f", str(PLANNING / "three-gpus.yaml"), "--demand", str(PLANNING / "gang.yaml")]


def parsers(of: ArgumentParser) -> Iterator[ArgumentParser]:
    yield of
    for action in of._actions:
        if isinstance(action.choices, dict):
            yield from action.choices.values()


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_both_names_run_the_same_program() -> None:
    """`kubectl rayfleet` runs `kubectl-rayfleet`."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"rayfleet", "kubectl-rayfleet"}
    for target in scripts.values():
        module, _, function = target.partition(":")
        assert getattr(import_module(module), function) is main


def test_help_says_what_each_command_is_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It uses the name that it was called by, and fits a hundred columns."""
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-rayfleet"])
    monkeypatch.setenv("COLUMNS", "100")
    assert exit_code("--help") == 0
    said = capsys.readouterr().out
    assert "usage: kubectl rayfleet" in said
    assert "rayfleet explain raycluster/NAME" in said
    assert all(len(line) <= WIDTH for each in parsers(parser()) for line in each.format_help().splitlines())


def test_every_option_is_explained() -> None:
    """Each has a sentence of its own."""
    for each in parsers(parser()):
        assert all(action.help for action in each._actions if action.dest != "command"), each.prog


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """For bug reports."""
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"rayfleet {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [(), ("explain",), ("plan",), ("plan", "--file", "x"), ("no-such",), (*PLAN, "-o", "xml")]
)
def test_a_wrong_command_line_ends_with_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints the usage, and never guesses an option from its first letters."""
    assert exit_code(*arguments) == 2
    assert capsys.readouterr().err.startswith("usage: rayfleet")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain", "x", "--kubeconfig", "/nowhere"], "name the right one with --kubeconfig"),
        ([*PLAN, "--cluster", "other"], "has no RayCluster named other"),
    ],
)
def test_a_failure_ends_with_1_and_a_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence is on standard error; standard output is empty."""
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.err.startswith("rayfleet: ")
    assert words in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "words", ["pod/x", "raycluster/", "a/raycluster/x", "pod x", "rayjob/a b", "rayjob a b", "rayjob a/b"]
)
def test_anything_but_a_raycluster_or_a_rayjob_is_a_wrong_command_line(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what to write."""
    assert exit_code("explain", *words.split()) == 2
    assert f"{words!r} is no target: write raycluster/NAME or rayjob/NAME." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "of_job", "name"),
    [
        ("x", False, "x"),
        ("raycluster/x", False, "x"),
        ("RayClusters.ray.io x", False, "x"),
        ("rayjob/x", True, "x"),
        ("rayjobs x", True, "x"),
    ],
)
def test_a_target_is_written_as_for_kubectl(words: str, of_job: bool, name: str) -> None:  # noqa: FBT001 - a row
    """`kind/name` and `kind name`; a name alone is that of a RayCluster."""
    given = parse(["explain", *words.split()], "rayfleet")
    assert (given.of_job, given.name) == (of_job, name)


def test_a_success_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Demand that has to wait is a success, too."""
    assert main(PLAN) == 0
    assert "RayCluster three-gpus" in capsys.readouterr().out


def test_a_closed_pipe_causes_no_traceback() -> None:
    """`rayfleet ... | head -0`."""
    command = [sys.executable, "-m", "rayfleet.cli", *PLAN]
    environment = {"PYTHONPATH": str(ROOT / "operator")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_help_imports_nothing_slow() -> None:
    """It imports no API client, no gRPC and no models; what needs no cluster, none of the first two."""
    assert loaded("rayfleet.cli.main") & {"kubernetes", "grpc", "pydantic", "yaml"} == set()
    assert loaded("rayfleet.cli.plan") & {"kubernetes", "grpc", "asyncio", "aiohttp", "kopf"} == set()
    assert loaded("rayfleet.cli.jobs.submit") & {"kubernetes", "grpc", "asyncio", "aiohttp", "kopf"} == set()


def loaded(module: str) -> set[str]:
    """The top-level modules that an import of `module` loads."""
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = {"PYTHONPATH": str(ROOT / "operator")}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=30)
    return set(re.findall(r"\S+", said.stdout))


def test_the_reference_is_what_the_parser_says() -> None:
    """`make lint` checks the same."""
    assert (ROOT / "docs" / "reference" / "cli.md").read_text() == reference()


def test_the_queue_of_the_how_to_is_valid() -> None:
    """A user who copies it gets an answer."""
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "explain.md").read_text(), re.DOTALL)
    (content,) = read_yaml(block)
    found = parse_demand(content)
    assert isinstance(found, DemandFile), found
    assert set(content) == {"tasks", "gangs", "requestResources", "nodes"}


def test_a_token_of_the_kubeconfig_is_sent(tmp_path: Path) -> None:
    """That includes one of an exec plugin, as most clouds have them."""
    plugin = tmp_path / "plugin"
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(answer | {'status': {'token': 'from-plugin'}})}'\n")
    plugin.chmod(0o755)
    run = {"apiVersion": answer["apiVersion"], "command": str(plugin), "interactiveMode": "Never"}
    for user, token in (({"token": "given"}, "given"), ({"exec": run}, "from-plugin")):
        with api_server(str(kubeconfig(tmp_path, user)), None) as server:
            assert server.authorization() == {"authorization": f"Bearer {token}"}
            assert server.namespace == "team-a"


def test_the_client_of_the_tests_sends_a_token_too(tmp_path: Path) -> None:
    """A user's own cluster may need one instead of a certificate."""
    api = ClusterApi(kubeconfig(tmp_path, {"token": "given"}))
    assert api._authorization() == {"Authorization": "Bearer given"}
    api.close()


def test_a_missing_context_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what to do."""
    file = str(kubeconfig(tmp_path, {"token": "given"}))
    assert main(["explain", "x", "--kubeconfig", file, "--context", "other"]) == 1
    assert "or one of its contexts with --context" in capsys.readouterr().err


CLUSTER = "/apis/ray.io/v1/namespaces/default/rayclusters/x"
UNREADABLE = [
    (
        200,
        "<html>Log in</html>",
        "cannot be reached (HTTP 200: <html>Log in</html>): is it up, and is this the",
    ),
    (404, "404 page not found", "cannot be reached (HTTP 404: 404 page not found)"),
    (
        401,
        {"message": "Unauthorized"},
        "does not accept the credentials of the kubeconfig (Unauthorized): log",
    ),
    (403, {"message": "x is forbidden"}, "RayCluster x in namespace default cannot be read: x is forbidden"),
    (404, {"message": "not found"}, "there is no RayCluster x in namespace default: run `kubectl get"),
]


@pytest.mark.parametrize(("status", "body", "words"), UNREADABLE)
def test_a_cluster_that_cannot_be_read_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int, body: object, words: str
) -> None:
    """Anything may answer in place of the API server."""
    with api_answers() as server:
        server.answers[CLUSTER] = status, body
        assert main(["explain", "x", "--kubeconfig", str(server.kubeconfig(tmp_path))]) == 1
    assert words in capsys.readouterr().err


def test_without_the_right_to_read_pods_none_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output does not claim that there is no head; it names the right to ask for."""
    stored = raycluster(spec_fields=spec(group("gpu", 0), enableInTreeAutoscaling=True))
    stored["metadata"] |= {"namespace": "default", "uid": "u", "resourceVersion": "1", "generation": 1}
    with api_answers() as server:
        server.answers[CLUSTER] = 200, stored
        assert main(["explain", "x", "--kubeconfig", str(server.kubeconfig(tmp_path))]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the head is not known (ask for the verb list on pods)" in said
    assert "gpu 0 - - 0" in said


def test_an_unreachable_api_server_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what to check."""
    assert main(["explain", "x", "--kubeconfig", str(kubeconfig(tmp_path, {}))]) == 1
    assert "the API server https://127.0.0.1:1 cannot be reached (" in capsys.readouterr().err


def kubeconfig(folder: Path, user: dict[str, Any]) -> Path:
    context = {"cluster": "c", "user": "u", "namespace": "team-a"}
    made = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": context}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(made))
    return file
