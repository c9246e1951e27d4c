"""Alerts while several releases run, reasons alternate, leaders change, and clusters are busy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.rules import FILE
from support.prometheus import promtool_rule_tests

Check = dict[str, Any]
CLUSTER = 'namespace="n",name="c"'
WAITING = f"rayfleet_cluster_waiting_requests{{{CLUSTER},reason="
HELD = f'rayfleet_worker_group_held{{{CLUSTER},group="g",reason='
READY = f'rayfleet_worker_group_ready_pods{{{CLUSTER},group="g"}}'
PENDING = f'rayfleet_worker_group_pending_pods{{{CLUSTER},group="g"}}'
NOT_READY = f'rayfleet_cluster_condition{{{CLUSTER},condition="Ready",reason="PodsNotReady"}}'
HEAD_READY = f'rayfleet_cluster_condition{{{CLUSTER},condition="HeadPodReady",reason="PodReady"}}'
JOB = f'kuberay_job_info{{{CLUSTER},uid="u"}}'
INITIALIZING = f'kuberay_job_deployment_status{{{CLUSTER},deployment_status="Initializing"}}'
JOB_WAITS = f'rayfleet_job_waiting_seconds{{{CLUSTER},cluster="x",reason="PodsNotReady"}}'
SILENT = f"rayfleet_job_dashboard_unreachable_seconds{{{CLUSTER}}}"
ATTEMPTS = 'rayfleet_job_attempts_total{instance="i",result="failed",category='
LOST = f'{ATTEMPTS}"infrastructure",cause="HeadLost"}}'
WRONG = f'{ATTEMPTS}"application",cause="DriverExited"}}'
IDLE = f'rayfleet_cluster_gpu_seconds_total{{{CLUSTER},owner_kind="None",state="idle"}}'


def firing(alert: str, minute: int, *labels: str) -> Check:
    """At this minute the alert fires with exactly these sets of labels, apart from its severity."""
    query = (
        f'max without (alertname, alertstate, severity) (ALERTS{{alertname="{alert}",alertstate="firing"}})'
    )
    samples = [{"labels": f"{{{label}}}", "value": 1} for label in labels]
    return {"expr": query, "eval_time": f"{minute}m", "exp_samples": samples}


def failures(folder: Path, series: Mapping[str, str], *checks: Check, **more: Any) -> str:
    """What Prometheus says against these checks, with a scrape every half minute."""
    test = {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": list(checks),
        **more,
    }
    return promtool_rule_tests(folder, yaml.safe_load(FILE.read_text()), [test])


def in_turn(first: str, second: str, scrapes: int, turns: int, value: int = 1) -> Mapping[str, str]:
    """Two series of which one is there at a time."""
    there, away = f"{value}x{scrapes - 1}", f"stale _x{scrapes - 2}"
    return {
        first: " ".join([there, away] * turns),
        second: f"_x{scrapes - 1} " + " ".join([there, away] * turns),
    }


def test_a_release_without_leader_is_found_beside_a_healthy_one(tmp_path: Path) -> None:
    series = {
        'rayfleet_leader{namespace="team-a",job="a",instance="a1"}': "1x60",
        'rayfleet_leader{namespace="team-b",job="b",instance="b1"}': "0x60",
    }
    assert failures(tmp_path, series, firing("RayfleetNoLeader", 20, 'namespace="team-b",job="b"')) == ""


def test_a_release_that_is_down_is_found_beside_a_healthy_one(tmp_path: Path) -> None:
    """For six hours; a release that Prometheus has never seen is missed only if there is no other."""
    series = {
        'rayfleet_build_info{namespace="team-a",job="a",instance="a1"}': "1x1000",
        'rayfleet_build_info{namespace="team-b",job="b",instance="b1"}': "1x20 stale _x980",
    }
    down = 'namespace="team-b",job="b"'
    alert = "RayfleetOperatorDown"
    checks = firing(alert, 14), firing(alert, 17, down), firing(alert, 360, down), firing(alert, 380)
    assert failures(tmp_path, series, *checks) == ""
    assert failures(tmp_path, {"up": "1x60"}, firing(alert, 7, "")) == ""


def test_a_silent_watch_is_not_hidden_by_what_another_release_cannot_read(tmp_path: Path) -> None:
    series = {
        'rayfleet_informer_age_seconds{instance="a",kind="Pod",scope="ml"}': "200x60",
        'rayfleet_namespace_unavailable{instance="b",scope="ml"}': "1x60",
    }
    found = firing("RayfleetWatchSilent", 10, 'instance="a",kind="Pod",scope="ml"')
    assert failures(tmp_path, series, found) == ""


@pytest.mark.parametrize(
    ("alert", "of", "reasons", "labels"),
    [
        ("RayfleetDemandUnmet", WAITING, ("Max", "Blocked"), CLUSTER),
        ("RayfleetPodsHeld", HELD, ("QuotaExceeded", "FailedCreate"), f'{CLUSTER},group="g"'),
    ],
)
def test_an_alert_fires_while_its_reason_alternates(
    alert: str, of: str, reasons: tuple[str, str], labels: str, tmp_path: Path
) -> None:
    first, second = (f'{of}"{reason}"}}' for reason in reasons)
    checks = [firing(alert, minute, labels) for minute in (17, 23, 41)]
    assert failures(tmp_path, in_turn(first, second, scrapes=10, turns=5), *checks) == ""


def test_the_description_says_the_present_reason(tmp_path: Path) -> None:
    description = (
        "The API server refuses pods of the group g of n/c: FailedCreate. "
        "The status of the cluster has its message."
    )
    expected = {
        "exp_labels": {"severity": "warning", "namespace": "n", "name": "c", "group": "g"},
        "exp_annotations": {
            "summary": "Pods of a worker group cannot be created.",
            "description": description,
        },
    }
    check = {"eval_time": "28m", "alertname": "RayfleetPodsHeld", "exp_alerts": [expected]}
    series = in_turn(f'{HELD}"QuotaExceeded"}}', f'{HELD}"FailedCreate"}}', scrapes=10, turns=5)
    assert failures(tmp_path, series, alert_rule_test=[check]) == ""


def test_demand_that_is_served_resolves_at_once(tmp_path: Path) -> None:
    series = {f'{WAITING}"Max"}}': "5x50 stale _x20", f'{WAITING}"Starting"}}': "_x51 5x20"}
    checks = firing("RayfleetDemandUnmet", 25, CLUSTER), firing("RayfleetDemandUnmet", 26)
    assert failures(tmp_path, series, *checks) == ""


def test_infeasible_demand_is_named_though_other_demand_is_at_times_more(tmp_path: Path) -> None:
    series = {
        'rayfleet_holds{cause="Infeasible",job="j",instance="i"}': "1x60 0x60",
        **in_turn(f'{WAITING}"Infeasible"}}', f'{WAITING}"Max"}}', scrapes=8, turns=8),
    }
    alert = "RayfleetInfeasibleDemand"
    checks = [firing(alert, minute, CLUSTER) for minute in (6, 11, 19, 30)]
    assert failures(tmp_path, series, *checks, firing(alert, 34)) == ""


def test_infeasible_demand_that_no_cluster_shows_has_an_alert_beside_one_that_does(tmp_path: Path) -> None:
    """In cluster b most requests wait for something else."""
    series = {
        'rayfleet_holds{cause="Infeasible",job="j",instance="i"}': "2x60",
        'rayfleet_holds{cause="Infeasible",job="j",instance="standby"}': "0x60",
        f'{WAITING}"Infeasible"}}': "5x60",
        'rayfleet_cluster_waiting_requests{namespace="b",name="b",reason="Max"}': "5x60",
    }
    assert failures(tmp_path, series, firing("RayfleetInfeasibleDemand", 20, CLUSTER, "")) == ""


@pytest.mark.parametrize("gap", ["2940 2940+30x98", "_ 2970+30x98"], ids=["same", "absent"])
def test_one_idle_gpu_is_found_though_its_head_is_silent_for_a_minute(gap: str, tmp_path: Path) -> None:
    series = {IDLE: f"0+30x98 {gap}"}
    assert failures(tmp_path, series, firing("RayfleetGpusIdle", 70, CLUSTER)) == ""


@pytest.mark.parametrize(
    ("alert", "series", "labels"),
    [
        ("RayfleetPassesFailing", {"rayfleet_workqueue_backoff_keys{": 1}, ""),
        ("RayfleetClusterNotReady", {NOT_READY: 0}, CLUSTER),
        ("RayfleetDemandUnmet", {f'{WAITING}"Max"}}': 4}, CLUSTER),
        (
            "RayfleetInfeasibleDemand",
            {f'{WAITING}"Infeasible"}}': 4, 'rayfleet_holds{job="j",cause="Infeasible"}': 1},
            CLUSTER,
        ),
        ("RayfleetPodsHeld", {f'{HELD}"LimitRange"}}': 1}, f'{CLUSTER},group="g"'),
        ("RayfleetCeilingReached", {f'{WAITING}"Ceiling"}}': 4}, CLUSTER),
        ("RayfleetPodsPending", {PENDING: 3, READY: 2}, f'{CLUSTER},group="g"'),
        (
            "RayfleetQueueUnknown",
            {f'rayfleet_cluster_condition{{{CLUSTER},condition="Autoscaling",reason="QueueUnknown"}}': 0},
            CLUSTER,
        ),
        ("RayfleetJobWaitsForCluster", {JOB_WAITS: 60, INITIALIZING: 1}, CLUSTER),
        ("RayfleetJobDashboardUnreachable", {JOB: 1, SILENT: 60}, CLUSTER),
        ("RayfleetJobGpusHeld", {f'rayfleet_job_gpus_held{{{CLUSTER},reason="NoRule"}}': 8}, CLUSTER),
    ],
)
def test_a_change_of_leader_does_not_resolve_an_alert(
    alert: str, series: Mapping[str, int], labels: str, tmp_path: Path
) -> None:
    """The next leader shows the cluster 90 s after the last scrape of the one before."""
    seen = {}
    for name, value in series.items():
        start = name.removesuffix("}") + ("" if name.endswith("{") else ",")
        seen[f'{start}instance="1"}}'] = f"{value}x140 stale _x80"
        seen[f'{start}instance="2"}}'] = f"_x143 {value}x80"
    checks = [firing(alert, minute, labels) for minute in (70, 71, 72, 73, 80)]
    assert failures(tmp_path, seen, *checks) == ""


def ended_each(scrapes: int) -> Mapping[str, str]:
    """A pod ends every so many scrapes."""
    values = " ".join(f"{count}x{scrapes - 1}" for count in range(240 // scrapes))
    return {'rayfleet_pods_deleted_total{node_type="worker",reason="ended",instance="i"}': values}


def test_more_than_five_pods_must_end_in_half_an_hour(tmp_path: Path) -> None:
    """Prometheus extrapolates five to a little more at some times; the alert is not even pending then."""
    ever = 'count_over_time(ALERTS{alertname="RayfleetPodsCrashLooping"}[1h])'
    never: Check = {"expr": ever, "eval_time": "95m", "exp_samples": []}
    assert failures(tmp_path, ended_each(scrapes=12), never) == ""
    six = firing("RayfleetPodsCrashLooping", 90, 'node_type="worker"')
    assert failures(tmp_path, ended_each(scrapes=10), six) == ""


def test_a_busy_group_whose_pods_start_in_time_is_no_alert(tmp_path: Path) -> None:
    """Each takes a minute, and one is always pending; ready pods leave, too."""
    series = {
        PENDING: "1x120",
        READY: " ".join(["4x1 5x1"] * 60),
        NOT_READY: "0x120",
        HEAD_READY: "1x120",
    }
    quiet = firing("RayfleetPodsPending", 50), firing("RayfleetClusterNotReady", 50)
    assert failures(tmp_path, series, *quiet) == ""


def test_pods_that_do_not_start_are_found_in_a_busy_group(tmp_path: Path) -> None:
    """Twenty do not while one of the others becomes ready every two minutes."""
    series = {PENDING: "20x120", READY: " ".join(["4x1 5x1"] * 60)}
    assert failures(tmp_path, series, firing("RayfleetPodsPending", 30, f'{CLUSTER},group="g"')) == ""


def test_a_cluster_whose_head_is_not_ready_is_found_whatever_its_workers_do(tmp_path: Path) -> None:
    series = {READY: " ".join(["4x1 5x1"] * 60), NOT_READY: "0x120", HEAD_READY: "0x120"}
    assert failures(tmp_path, series, firing("RayfleetClusterNotReady", 30, CLUSTER)) == ""


def test_the_memory_of_a_head_is_watched_by_the_name_of_its_cluster(tmp_path: Path) -> None:
    """A pod has the first 52 characters of it; pods that are only called like a head are others'."""
    long = "a-cluster-with-a-name-of-sixty-two-characters-that-is-cut-here"
    head, other = f"{long[:52].rstrip('-')}-head-x2k4z", "search-head-x2k4z"
    series = {f'kuberay_cluster_info{{namespace="n",name="{long}"}}': "1x60"}
    for pod in (head, other):
        of = f'namespace="n",pod="{pod}",container="ray"'
        series[f"container_memory_working_set_bytes{{{of}}}"] = "95x60"
        series[f'kube_pod_container_resource_limits{{{of},resource="memory"}}'] = "100x60"
    found = firing("RayfleetHeadMemoryHigh", 20, f'namespace="n",pod="{head}",container="ray"')
    assert failures(tmp_path, series, found) == ""


def test_a_job_whose_cluster_is_ready_resolves_at_once(tmp_path: Path) -> None:
    running = f'kuberay_job_deployment_status{{{CLUSTER},deployment_status="Running"}}'
    series = {
        JOB_WAITS: "60x50 stale _x20",
        INITIALIZING: "1x50 stale _x20",
        running: "_x51 1x20",
    }
    alert = "RayfleetJobWaitsForCluster"
    assert failures(tmp_path, series, firing(alert, 25, CLUSTER), firing(alert, 26)) == ""


def test_a_dashboard_that_answers_again_resolves_at_once(tmp_path: Path) -> None:
    """And one that is silent for two minutes again and again, but answers in between, is no alert."""
    alert = "RayfleetJobDashboardUnreachable"
    series = {SILENT: "_x20 60x30 stale _x20", JOB: "1x71"}
    assert failures(tmp_path, series, firing(alert, 25, CLUSTER), firing(alert, 26)) == ""
    series = {SILENT: " ".join(["60x3 stale _"] * 20), JOB: "1x120"}
    ever: Check = {
        "expr": f'count_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[1h])',
        "eval_time": "59m",
        "exp_samples": [],
    }
    assert failures(tmp_path, series, ever) == ""


@pytest.mark.parametrize(
    ("lost", "wrong", "fires"),
    [(2, 0, []), (3, 0, [""]), (3, 20, [""]), (3, 40, []), (8, 40, [""])],
)
def test_a_fleet_that_loses_a_tenth_of_its_attempts_is_found(
    lost: int, wrong: int, fires: list[str], tmp_path: Path
) -> None:
    """All end within the same minute; two losses are chance, and three of many are, too."""
    series = {LOST: f"0x60 {lost}x60", WRONG: f"0x60 {wrong}x60"}
    found = firing("RayfleetJobsLostToInfrastructure", 40, *fires)
    assert failures(tmp_path, series, found) == ""


def test_the_description_of_lost_attempts_names_the_causes(tmp_path: Path) -> None:
    """Most frequent first."""
    worker = LOST.replace("HeadLost", "WorkerLost")
    series = {LOST: "0x60 3x60", worker: "0x60 6x60", WRONG: "0x60 0x60"}
    description = (
        "100% of the attempts of jobs that ended in the last 30 minutes were lost to the infrastructure: "
        "WorkerLost (6) HeadLost (3). Events with the reasons RayJobRetrying and RayJobFailed name the jobs "
        "and the nodes."
    )
    expected = {
        "exp_labels": {"severity": "warning"},
        "exp_annotations": {
            "summary": "Nodes, GPUs or the network end many attempts of jobs.",
            "description": description,
        },
    }
    check = {"eval_time": "40m", "alertname": "RayfleetJobsLostToInfrastructure", "exp_alerts": [expected]}
    assert failures(tmp_path, series, alert_rule_test=[check]) == ""
