"""Rules about `rayStartParams`: each finds what breaks it, and lets its fixed twin pass."""

from typing import Any

import pytest

from rayfleet.api.raycluster.rules import start_params
from rayfleet.api.raycluster.validation import Rule
from support.rule_rows import GPU, GPU_PATH, HEAD, Row, build, check, row_id, rules_of

SCALED = {"enableInTreeAutoscaling": True}
ENV = f"{GPU}.template.spec.containers.0.env"
PARAMS = f"{GPU}.rayStartParams"


def worker(flag: str, value: str) -> dict[str, Any]:
    return {PARAMS: {flag: value}}


def head(flag: str, value: str) -> dict[str, Any]:
    return {f"{HEAD}.rayStartParams": {flag: value}}


def rows(rule: Rule, *values: tuple[str, str, str]) -> list[Row]:
    """Rows of a flag of the worker group: the flag, a broken value and a fixed one."""
    return [
        Row(
            rule,
            f"{GPU_PATH}.rayStartParams[{flag}]",
            worker(flag, broken),
            worker(flag, fixed),
        )
        for flag, broken, fixed in values
    ]


ROWS = [
    *rows(
        start_params.names_are_flags,
        ("log-color", "auto --num-gpus=8", "auto"),
        ("temp-dir", "/tmp --labels a=b", "/tmp/--labels"),  # noqa: S108 - of a pod
        ("head", "true", "false"),
        ("head", "'TRUE'", "'False'"),
        ("log-style", "auto '--num-gpus=8'", "auto --verbose"),
        ("log-style", "auto --num-gpu\\s=8", "auto\\s"),
        ("log-style", "auto --num-{gpus,cpus}=8", "{auto}"),
        ("log-style", "auto --num-$G=8", "auto --verbose=$G"),
        ("log-style", "$(a) '--num-gpus=8' $(b)", "$(a --num | b)"),
        ("log-style", "auto #", "auto#"),
        ("log-style", "auto; sleep inf; true", "'auto; sleep inf; true'"),
        ("log-style", "auto $'\\x2d-num-gpus=8'", "$'auto'"),
        ("log-style", "'auto", "$AUTO"),
    ),
    *(
        Row(
            start_params.names_are_flags,
            f"{GPU_PATH}.rayStartParams[log-style]",
            {**worker("log-style", written), ENV: [{"name": "X", "value": "auto --num-gpus=8"}]},
            {**worker("log-style", written), ENV: [{"name": "X", "value": "auto --verbose"}]},
        )
        for written in ("$X", "${X}", "$(X)")
    ),
    Row(
        start_params.names_are_flags,
        f"{GPU_PATH}.rayStartParams[--num-cpus]",
        worker("--num-cpus", "4"),
        worker("num-cpus", "4"),
    ),
    Row(
        start_params.names_are_flags,
        f"{GPU_PATH}.rayStartParams[log-color=auto --num-gpus]",
        worker("log-color=auto --num-gpus", "8"),
        {PARAMS: {"log-color": "auto", "num-gpus": "8"}},
    ),
    *rows(
        start_params.values_are_words,
        ("resources", '{"NPU": 1, NPU}', '{"NPU": 1}'),
        ("resources", '{"a":1,b:2}', '{"a":1,"b":2}'),
        ("resources", '\'{"a": 1}', "'{\"a\": 1}'"),
        ("num-cpus", "4 --verbose", "4"),
        ("num-cpus", "4; true", "4"),
        ("memory", '"1000', '"1000"'),
        ("dashboard-agent-listen-port", "{1,2}", "1"),
    ),
    Row(
        start_params.values_are_words,
        f"{GPU_PATH}.rayStartParams[num-cpus]",
        {**worker("num-cpus", "$N"), ENV: [{"name": "N", "value": "4 --num-gpus=8"}]},
        {**worker("num-cpus", "$N"), ENV: [{"name": "N", "value": "4"}]},
    ),
    *rows(
        start_params.amounts_are_whole_numbers,
        ("num-gpus", "nan", "$GPUS"),
        ("num-gpus", "0.5", "1"),
        ("num-cpus", "-1", "0"),
        ("num-cpus", "4.0", '"4"'),
        ("num-cpus", "500m", "'1'"),
        ("memory", "1Gi", "1073741824"),
        ("memory", "9" * 5000, "1"),
        ("memory", "", "$M"),
        ("object-store-memory", "1e9", "1000000000"),
    ),
    Row(
        start_params.amounts_are_whole_numbers,
        f"{GPU_PATH}.rayStartParams[num-cpus]",
        {**worker("num-cpus", '"${N}"'), ENV: [{"name": "N", "value": "many"}]},
        {**worker("num-cpus", '"${N}"'), ENV: [{"name": "N", "value": "4"}]},
    ),
    *rows(
        start_params.resources_are_named_amounts,
        ("resources", "NPU", '{"NPU": 1}'),
        ("resources", "'[1]'", "'{}'"),
        ("resources", '{"CPU": 4}', '{"cpu": 4}'),
        ("resources", '{"object_store_memory": 4}', '"{\\"a\\": 1}"'),
        ("resources", '{"a": 0.5}', '{"a": 1.0}'),
        ("resources", '{"a": -1}', '{"a": 0}'),
        ("resources", '{"a": "1"}', "$RESOURCES"),
        ("resources", '{"a": true}', '{"a": 1}'),
        ("resources", '{"a": NaN}', '{"a": 1}'),
        ("resources", '{"a": 1e400}', '{"a": 1e4}'),
        ("resources", "'" + "{" * 9000 + "'", '{"a": 1}'),
    ),
    *(
        Row(
            start_params.amounts_are_known_where_they_are_counted,
            f"{GPU_PATH}.rayStartParams[{flag}]",
            {**SCALED, **worker(flag, value)},
            {**SCALED, **worker(flag, value), ENV: [{"name": "N", "value": "1"}]}
            if known
            else worker(flag, value),
        )
        for flag, value, known in (
            ("num-cpus", "$N", True),
            ("num-gpus", "$(N)", True),
            ("memory", "$(cat /sys/fs/cgroup/memory.max)", False),
            ("resources", '"$N"', False),
        )
    ),
    Row(
        start_params.amounts_are_known_where_they_are_counted,
        f"{GPU_PATH}.rayStartParams[num-cpus]",
        {**SCALED, **worker("num-cpus", "$N"), ENV: [{"name": "N", "valueFrom": {}}]},
        {**SCALED, **head("num-cpus", "$N")},
    ),
    *(
        Row(
            start_params.ports_are_ports,
            f"spec.{HEAD}.rayStartParams[{flag}]",
            head(flag, broken),
            head(flag, fixed),
        )
        for flag, broken, fixed in (
            ("port", "65536", "6380"),
            ("port", "0", '"6380"'),
            ("port", "$PORT", "'6380'"),
            ("port", "6379.0", "6379"),
            ("dashboard-port", "http", "0"),
            ("dashboard-agent-listen-port", "0", "1"),
            ("dashboard-agent-listen-port", "$A", "1"),
            ("metrics-export-port", "65536", "$M"),
            ("dashboard-port", "65536", "$(cat port)"),
            ("ray-client-server-port", "-1", "$C"),
        )
    ),
    Row(
        start_params.dashboard_is_on_or_off,
        f"spec.{HEAD}.rayStartParams[include-dashboard]",
        head("include-dashboard", "never"),
        head("include-dashboard", "'No'"),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_rule(row: Row) -> None:
    """The broken field is named in one sentence; the fixed twin passes."""
    check(row)


def test_every_rule_has_a_row() -> None:
    """A rule that is added without a test does not go unnoticed."""
    assert rules_of(start_params) == {row.rule for row in ROWS}


def test_the_rows_are_clusters_that_can_be_read() -> None:
    """A row whose cluster has another fault would prove nothing."""
    assert all(build(row.fixed) for row in ROWS)
