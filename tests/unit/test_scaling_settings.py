"""The admin's file of limits and queries is parsed strictly; each fault is a sentence with the field."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayfleet.api.raycluster.autoscaler_options import AutoscalerOptions
from rayfleet.autoscaling.limits import CostCeilings, ScalingLimits
from rayfleet.settings.flags import parse
from rayfleet.settings.scaling import ScalingSettings, parse_scaling_settings

QUERY: dict[str, Any] = {"name": "waiting", "server": "http://prometheus:9090", "query": 'q{ns="$namespace"}'}
SECURE: dict[str, Any] = QUERY | {"server": "https://prometheus/path"}

FULL = """
blockedSeconds: 600
defaultMaxPods: 20
ceilings:
  gpusPerCluster: 8
  gpusPerNamespace: 0
  gpusTotal: 128
  newGpusPerMinute: 16
queries:
  - name: waiting
    server: https://prometheus.monitoring:9090
    query: sum(q{namespace="$namespace", cluster="$cluster"})
    tokenFile: /etc/token
    caFile: /etc/ca.crt
    timeoutSeconds: 2
"""


def test_a_file_with_every_setting_is_read(tmp_path: Path) -> None:
    """The flag names it, and it is YAML."""
    file = tmp_path / "scaling.yaml"
    file.write_text(FULL)
    read = parse(["--scaling-config", str(file)], {}).scaling
    assert read.limits == ScalingLimits(600.0, 20, CostCeilings(8, 0, 128, 16))
    query = read.queries["waiting"]
    assert query.promql.render("a", "b") == 'sum(q{namespace="a", cluster="b"})'
    assert (query.token_file, query.ca_file, query.timeout_seconds) == ("/etc/token", "/etc/ca.crt", 2.0)


def test_json_and_the_environment_variable_work_too(tmp_path: Path) -> None:
    """Every other setting has a variable, too."""
    file = tmp_path / "scaling.json"
    file.write_text(json.dumps({"blockedSeconds": 1, "queries": [QUERY]}))
    read = parse([], {"RAYFLEET_SCALING_CONFIG": str(file)}).scaling
    assert (read.limits.blocked_seconds, list(read.queries)) == (1.0, ["waiting"])


@pytest.mark.parametrize("content", [None, {}, {"ceilings": None, "queries": None}])
def test_missing_settings_have_their_defaults(content: object) -> None:
    """They are no ceilings, 900 s, 100 pods and no queries, as without a file."""
    read = parse_scaling_settings(content)
    assert read == ScalingSettings() == parse([], {}).scaling
    assert read.limits == ScalingLimits(900.0, 100, CostCeilings())


BAD: list[tuple[object, str, str]] = [
    ([], "settings", "must be an object, but is a list."),
    ({"blockedSecond": 1}, "settings.blockedSecond", "is not known: check its spelling, or remove it."),
    ({"blocked_seconds": 1}, "settings.blocked_seconds", "is not known"),
    ({"blockedSeconds": 0}, "settings.blockedSeconds", "must be at least 1, but is 0."),
    ({"blockedSeconds": "900s"}, "settings.blockedSeconds", "must be a whole number, but is '900s'."),
    ({"defaultMaxPods": 1.5}, "settings.defaultMaxPods", "must be a whole number"),
    ({"ceilings": {"gpusTotal": -1}}, "settings.ceilings.gpusTotal", "must be at least 0, but is -1."),
    ({"ceilings": {"gpus": 1}}, "settings.ceilings.gpus", "is not known"),
    ({"ceilings": {"gpusTotal": True}}, "settings.ceilings.gpusTotal", "must be a whole number"),
    ({"queries": {}}, "settings.queries", "must be a list, but is an object."),
    ({"queries": [{}]}, "settings.queries[0].name", "is required: set it."),
    ({"queries": [QUERY | {"name": "a b"}]}, "settings.queries[0].name", "must be 1 to 63 letters"),
    ({"queries": [QUERY, QUERY]}, "settings.queries[1].name", "must differ from that of queries[0]"),
    ({"queries": [QUERY | {"server": "prometheus:9090"}]}, "settings.queries[0].server", "https://"),
    ({"queries": [QUERY | {"server": "http://x:99999"}]}, "settings.queries[0].server", "an address"),
    ({"queries": [QUERY | {"server": "http://[x"}]}, "settings.queries[0].server", "an address"),
    ({"queries": [QUERY | {"server": "http://x/?a=b"}]}, "settings.queries[0].server", "end before '?'"),
    ({"queries": [QUERY | {"query": "q_$cluster"}]}, "settings.queries[0].query", "in quotes"),
    ({"queries": [QUERY | {"query": "1" * 4001}]}, "settings.queries[0].query", "recording rule"),
    (
        {"queries": [QUERY | {"tokenFile": "/t"}]},
        "settings.queries[0].tokenFile",
        "needs a server with https",
    ),
    ({"queries": [SECURE | {"tokenFile": "t"}]}, "settings.queries[0].tokenFile", "an absolute path"),
    ({"queries": [SECURE | {"caFile": "ca"}]}, "settings.queries[0].caFile", "an absolute path"),
    ({"queries": [QUERY | {"timeoutSeconds": 31}]}, "settings.queries[0].timeoutSeconds", "at most 30"),
    ({"queries": [QUERY | {"timeoutSeconds": 0}]}, "settings.queries[0].timeoutSeconds", "more than 0"),
    ({"queries": [QUERY | {"timeoutSeconds": "5s"}]}, "settings.queries[0].timeoutSeconds", "a number"),
    ({"queries": [QUERY | {"timeoutSeconds": True}]}, "settings.queries[0].timeoutSeconds", "a number"),
]


@pytest.mark.parametrize(("content", "path", "words"), BAD)
def test_a_fault_is_named_with_its_remedy(content: object, path: str, words: str) -> None:
    """Each fault is one sentence."""
    faults = parse_scaling_settings(content)
    assert isinstance(faults, tuple)
    found = [fault for fault in faults if fault.path == path]
    assert found, faults
    assert words in found[0].message
    assert found[0].message.endswith(".")


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    """A refused value gets into a log."""
    faults = parse_scaling_settings({"queries": [QUERY | {"server": "http://me:hunter2@prometheus"}]})
    assert isinstance(faults, tuple)
    assert "tokenFile" in str(faults[0])
    assert "hunter2" not in str(faults)


UNREADABLE = [
    ("a: [", "cannot be read"),
    ("blockedSeconds: 1\nblockedSeconds: 2", "blockedSeconds is there twice, line 1"),
    ("ceilings: {gpusTotal: 8, gpusTotal: 80}", "gpusTotal is there twice"),
    ("x: !!python/object/apply:os.system [true]", "cannot be read"),
    ("ceilings:\n  gpusTotal: many", "ceilings.gpusTotal must be a whole number, but is 'many'."),
    ("- a", "the file must be an object, but is a list."),
    ("{}\n---\n{}", "it has 2 documents: put all into one."),
]


@pytest.mark.parametrize(("text", "words"), UNREADABLE)
def test_the_operator_refuses_to_start_on_a_bad_file(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message has the flag, the file and the fault."""
    file = tmp_path / "scaling.yaml"
    file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        parse(["--scaling-config", str(file)], {})
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "--scaling-config" in error
    assert str(file) in error
    assert words in error


def test_a_missing_settings_file_is_a_fault_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Defaults would drop the admin's ceilings."""
    with pytest.raises(SystemExit):
        parse([], {"RAYFLEET_SCALING_CONFIG": "/nowhere/scaling.yaml"})
    assert "No such file" in capsys.readouterr().err


def test_the_examples_of_the_how_to_are_valid() -> None:
    """Its values are settings, and its manifest refers to a query of theirs."""
    page = (Path(__file__).parents[2] / "docs" / "scaling-from-prometheus.md").read_text()
    values, manifest = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    read = parse_scaling_settings(values["scaling"])
    assert isinstance(read, ScalingSettings), read
    options = AutoscalerOptions.model_validate(manifest["spec"]["autoscalerOptions"])
    assert [metric.query for metric in options.metrics] == list(read.queries)
