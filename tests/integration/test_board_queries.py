"""What queries of the boards answer, on series with a known answer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dashboards.cli import BOARDS
from support.prometheus import promtool_rule_tests

CHOICES = {"$__rate_interval": "2m", "$namespace": "n", "$price": "2"}
LONG = "a-cluster-with-a-name-of-sixty-two-characters-that-is-cut-here"


def asked(title: str, cluster: str = "a") -> str:
    """The first query of a panel, or that of a mark, with what a reader has chosen."""
    boards = [json.loads(board.as_json()) for board in BOARDS]
    found = [
        panel["targets"][0]["expr"]
        for board in boards
        for panel in board["panels"]
        if panel["title"] == title
    ]
    found += [
        mark["expr"]
        for board in boards
        for mark in board["annotations"].get("list", [])
        if mark["name"] == title
    ]
    (query,) = found
    for name, value in {**CHOICES, "$cluster": cluster}.items():
        query = query.replace(name, value)
    return str(query)


def wrong(
    folder: Path,
    series: Mapping[str, str],
    query: str,
    minute: int,
    expected: Mapping[str, float],
    interval: str = "30s",
) -> str:
    """What Prometheus says if the answer of a query is another, with values at this interval."""
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    test: dict[str, Any] = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": f"{minute}m", "exp_samples": samples}],
    }
    return promtool_rule_tests(folder, {"groups": []}, [test])


def memory(pod: str, used: int) -> Mapping[str, str]:
    """A pod with a limit of 100."""
    of = f'namespace="n",pod="{pod}",container="ray"'
    return {
        f"container_memory_working_set_bytes{{{of}}}": f"{used}x20",
        f'kube_pod_container_resource_limits{{{of},resource="memory"}}': "100x20",
    }


def test_a_young_cluster_has_been_idle_for_its_age(tmp_path: Path) -> None:
    series = {'rayfleet_cluster_gpu_seconds_total{namespace="n",name="c",state="idle"}': "_x100 0+240x300"}
    query = asked("For how long have GPUs been idle?")
    assert wrong(tmp_path, series, query, 60, {'{namespace="n",name="c"}': 300}) == ""


def test_every_decision_is_marked(tmp_path: Path) -> None:
    """A graph asks once a minute; scrapes are every 30 s, 15 s after it."""
    group = 'rayfleet_worker_group_desired_pods{namespace="n",name="a",group='
    series = {
        f'{group}"g"}}': f"{'_ 1 ' * 9} {'_ 2 ' * 8}",
        f'{group}"h"}}': f"{'_ 1 ' * 8} {'_ 2 ' * 9}",
    }
    query = asked("A group's size was decided")
    marked = f"max_over_time(({query})[6m:1m])"
    expected = {'{group="g"}': 1, '{group="h"}': 1}
    assert wrong(tmp_path, series, marked, 6, expected, interval="15s") == ""


def test_the_head_of_a_cluster_is_found_by_its_whole_name(tmp_path: Path) -> None:
    """The name of a pod has at most 52 characters of it; `a-head-b` is another cluster."""
    cut = LONG[:52].rstrip("-")
    series = {
        **memory("a-head-x2k4z", 30),
        **memory("a-head-b-head-x2k4z", 40),
        **memory(f"{cut}-head-x2k4z", 50),
        **{
            f'kuberay_cluster_info{{namespace="n",name="{name}"}}': "1x20" for name in ("a", "a-head-b", LONG)
        },
    }
    title = "How close is the head to its memory limit?"
    for cluster, stem, share in (("a", "a", 0.3), ("a-head-b", "a-head-b", 0.4), (LONG, cut, 0.5)):
        labels = f'{{namespace="n",pod="{stem}-head-x2k4z",container="ray",head_of="{stem}"}}'
        assert wrong(tmp_path, series, asked(title, cluster), 5, {labels: share}) == ""


def test_gpus_are_found_whether_or_not_labels_of_their_exporter_are_honored(tmp_path: Path) -> None:
    exporter = 'namespace="gpus",pod="dcgm"'
    series = {
        'ray_node_cpu_count{namespace="n",pod="w1",ray_io_cluster="a",ray_io_group="g"}': "8x20",
        'ray_node_cpu_count{namespace="n",pod="w2",ray_io_cluster="a",ray_io_group="h"}': "8x20",
        'DCGM_FI_DEV_GPU_UTIL{namespace="n",pod="w1",gpu="0"}': "70x20",
        f'DCGM_FI_DEV_GPU_UTIL{{{exporter},exported_namespace="n",exported_pod="w2",gpu="0"}}': "90x20",
    }
    expected = {'{ray_io_group="g"}': 70, '{ray_io_group="h"}': 90}
    assert wrong(tmp_path, series, asked("How busy are the GPUs?"), 5, expected) == ""


def test_demand_and_holds_of_several_operators_add_up(tmp_path: Path) -> None:
    series = {
        f'{metric},job="{job}"}}': f"{count}x20"
        for job, count in (("a", 10), ("b", 8))
        for metric in ('rayfleet_demand{resource="GPU"', 'rayfleet_holds{cause="Max"')
    }
    demand = asked("How much is asked for?")
    assert wrong(tmp_path, series, demand, 5, {'{resource="GPU"}': 18}) == ""
    holds = asked("In how many clusters is demand held back, and why?")
    assert wrong(tmp_path, series, holds, 5, {'{cause="Max"}': 18}) == ""


def test_a_job_that_two_leaders_show_counts_once(tmp_path: Path) -> None:
    """For a scrape or two around a change of leader both replicas show it."""
    status = 'kuberay_job_deployment_status{namespace="n",name='
    series = {
        f'{status}"{name}",uid="u",deployment_status="{state}",instance="{instance}"}}': "1x20"
        for name, state, instance in (
            ("a", "Running", "0"),
            ("a", "Running", "1"),
            ("b", "Running", "1"),
            ("c", "Failed", "1"),
        )
    }
    by_state = asked("How many jobs are in which state?")
    expected = {'{deployment_status="Running"}': 2, '{deployment_status="Failed"}': 1}
    assert wrong(tmp_path, series, by_state, 5, expected) == ""
    assert wrong(tmp_path, series, asked("How many jobs run?"), 5, {"{}": 2}) == ""
    assert wrong(tmp_path, series, asked("How many wait for their cluster?"), 5, {"{}": 0}) == ""


def test_what_held_gpus_have_cost_is_counted_in_gpu_hours(tmp_path: Path) -> None:
    """8 GPUs for 90 minutes, at $2."""
    series = {
        'rayfleet_job_held_gpu_seconds{namespace="n",name="a",reason="NoRule"}': f"{8 * 5400}x20",
        'rayfleet_job_held_gpu_seconds{namespace="n",name="b",reason="Kept"}': "0x20",
    }
    query = asked("What has that cost since the end of the job?")
    assert wrong(tmp_path, series, query, 5, {'{namespace="n",name="a",reason="NoRule"}': 24}) == ""
