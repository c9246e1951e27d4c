"""What each alert is about, as series that go wrong at a known time and recover, for promtool."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from alerts.rules import Alert

GONE: Final = "gone"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PLACE: Final = 'namespace="ml",name="demo"'
_OTHER: Final = 'namespace="ml",name="other"'
_OF_THE_HEAD: Final = 'namespace="ml",pod="demo-head-x2k4z",container="ray"'
_ATTEMPTS: Final = 'rayfleet_job_attempts_total{instance="a",result="failed"'
_ELSEWHERE: Final = 'namespace="x",pod="a-head-x2k4z",container="c"'
BEFORE: Final = 10
"""Minutes in which nothing is wrong."""
LASTS: Final = 20
"""Minutes for which the trouble lasts after the alert has fired."""
AFTER: Final = 70
"""Minutes after the trouble; the longest range of a query is an hour."""


def minutes(duration: str) -> int:
    """A duration of Prometheus in whole minutes."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration)) // 60


@dataclass(frozen=True)
class Phases:
    """The values of one series, each for every minute of a phase; `0+1` counts upwards."""

    series: str
    good: str
    bad: str
    again: str | None = None
    """After the trouble, if other than before."""

    def values(self, trouble: int) -> str:
        """In promtool's notation."""
        parts = ((self.good, BEFORE), (self.bad, trouble), (self.again or self.good, AFTER))
        return " ".join(_for(value, number) for value, number in parts)


def _for(value: str, number: int) -> str:
    if value == GONE:
        # As after a scrape that no longer has the series, or found nobody.
        return f"stale _x{number - 1}"
    return f"{value}x{number - 1}"


@dataclass(frozen=True)
class Scene:
    """One alert, and series that make it fire."""

    alert: str
    phases: Sequence[Phases]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those that the alert has besides its name and severity."""
    lag: int = 0
    """Minutes until the expression is true, or false again: the range that a query looks at."""

    def as_promtool_test(self, alert: Alert) -> dict[str, Any]:
        """Quiet before its time, firing after it with its labels and severity, gone after the trouble."""
        waits = minutes(alert.duration)
        trouble = self.lag + waits + LASTS
        fires = BEFORE + self.lag + waits
        labels = {"alertname": self.alert, "severity": alert.severity, **self.labels}
        firing = {"labels": _series("ALERTS", {**labels, "alertstate": "firing"}), "value": 1}

        def at(minute: int, expected: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
            query = f'ALERTS{{alertname="{self.alert}",alertstate="firing"}}'
            return {"expr": query, "eval_time": f"{minute}m", "exp_samples": list(expected)}

        quiet_until = fires - 1 if not self.lag else BEFORE + waits - 1
        return {
            "name": self.alert,
            "interval": "1m",
            "input_series": [
                {"series": phases.series, "values": phases.values(trouble)} for phases in self.phases
            ],
            "promql_expr_test": [
                at(BEFORE - 1, []),
                at(quiet_until, []),
                at(fires + 1, [firing]),
                at(BEFORE + trouble - 1, [firing]),
                at(BEFORE + trouble + AFTER - 2, []),
            ],
        }


def _series(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={value!r}' for key, value in labels.items())}}}".replace("'", '"')


_CLUSTER: Final = {"namespace": "ml", "name": "demo"}

SCENES: Final = (
    Scene(
        "RayfleetOperatorDown",
        [
            Phases('rayfleet_build_info{instance="a"}', "1", GONE),
            Phases('rayfleet_build_info{instance="b"}', "1", GONE),
        ],
    ),
    Scene(
        "RayfleetNoLeader",
        [
            Phases('rayfleet_leader{instance="a"}', "1", "0"),
            Phases('rayfleet_leader{instance="b"}', "0", "0", "1"),
        ],
    ),
    Scene("RayfleetPassesFailing", [Phases('rayfleet_workqueue_backoff_keys{instance="a"}', "0", "2")]),
    Scene(
        "RayfleetWatchSilent",
        [
            Phases('rayfleet_informer_age_seconds{instance="a",kind="Pod",scope="ml"}', "30", "200"),
            Phases('rayfleet_informer_age_seconds{instance="a",kind="Pod",scope="gone"}', "30", "200"),
            Phases('rayfleet_namespace_unavailable{instance="a",scope="ml"}', "0", "0"),
            # The namespace that cannot be read has an alert of its own.
            Phases('rayfleet_namespace_unavailable{instance="a",scope="gone"}', "1", "1"),
        ],
        {"instance": "a", "kind": "Pod", "scope": "ml"},
    ),
    Scene(
        "RayfleetNamespaceUnavailable",
        [Phases('rayfleet_namespace_unavailable{instance="a",scope="ml"}', "0", "1")],
        {"scope": "ml"},
    ),
    Scene(
        "RayfleetCrdOutdated",
        [Phases('rayfleet_crd_outdated{instance="a",crd="rayclusters.ray.io"}', "0", "1")],
        {"crd": "rayclusters.ray.io"},
    ),
    Scene(
        "RayfleetClusterNotReady",
        [
            Phases(
                f'rayfleet_cluster_condition{{{_PLACE},condition="Ready",reason="AllPodsReady"}}', "1", GONE
            ),
            Phases(
                f'rayfleet_cluster_condition{{{_PLACE},condition="Ready",reason="PodsNotReady"}}', GONE, "0"
            ),
        ],
        _CLUSTER,
        lag=2,
    ),
    Scene(
        "RayfleetDemandUnmet",
        [
            Phases(f'rayfleet_cluster_waiting_requests{{{_PLACE},reason="None"}}', "0", GONE),
            Phases(f'rayfleet_cluster_waiting_requests{{{_PLACE},reason="Max"}}', GONE, "4"),
            # These have alerts of their own, or nodes on the way.
            *(
                Phases(f'rayfleet_cluster_waiting_requests{{{_OTHER},reason="{reason}"}}', "4", "4")
                for reason in ("Starting", "Infeasible", "Ceiling")
            ),
        ],
        _CLUSTER,
    ),
    Scene(
        "RayfleetInfeasibleDemand",
        [
            Phases(f'rayfleet_cluster_waiting_requests{{{_PLACE},reason="Infeasible"}}', "0", "2"),
            Phases('rayfleet_holds{instance="a",cause="Infeasible"}', "0", "1"),
        ],
        _CLUSTER,
    ),
    Scene(
        "RayfleetPodsHeld",
        [
            Phases(f'rayfleet_worker_group_held{{{_PLACE},group="gpu",reason="QuotaExceeded"}}', GONE, "1"),
            Phases(f'rayfleet_worker_group_held{{{_OTHER},group="gpu",reason="Ceiling"}}', "1", "1"),
        ],
        {**_CLUSTER, "group": "gpu"},
    ),
    Scene(
        "RayfleetCeilingReached",
        [
            Phases(f'rayfleet_worker_group_held{{{_PLACE},group="gpu",reason="Ceiling"}}', GONE, "1"),
            Phases(f'rayfleet_cluster_waiting_requests{{{_PLACE},reason="Ceiling"}}', "0", "3"),
        ],
        _CLUSTER,
    ),
    Scene(
        "RayfleetGpusIdle",
        [
            Phases(
                f'rayfleet_cluster_gpu_seconds_total{{{_PLACE},owner_kind="None",state="idle"}}',
                "0",
                "0+120",
                "0",
            ),
            Phases(
                f'rayfleet_cluster_gpu_seconds_total{{{_PLACE},owner_kind="None",state="allocated"}}',
                "0+240",
                "0+240",
            ),
        ],
        _CLUSTER,
        lag=6,
    ),
    Scene(
        "RayfleetPodsPending",
        [
            Phases(f'rayfleet_worker_group_pending_pods{{{_PLACE},group="gpu"}}', "0", "3"),
            Phases(f'rayfleet_worker_group_ready_pods{{{_PLACE},group="gpu"}}', "2", "2"),
        ],
        {**_CLUSTER, "group": "gpu"},
    ),
    Scene(
        "RayfleetPodsCrashLooping",
        [
            Phases(
                'rayfleet_pods_deleted_total{instance="a",node_type="worker",reason="ended"}', "0", "0+1", "0"
            ),
            Phases(
                'rayfleet_pods_deleted_total{instance="a",node_type="worker",reason="surplus"}',
                "0+9",
                "0+9",
            ),
        ],
        {"node_type": "worker"},
        lag=7,
    ),
    Scene(
        "RayfleetQueueUnknown",
        [
            Phases(
                f'rayfleet_cluster_condition{{{_PLACE},condition="Autoscaling",reason="AsWanted"}}', "1", GONE
            ),
            Phases(
                f'rayfleet_cluster_condition{{{_PLACE},condition="Autoscaling",reason="QueueUnknown"}}',
                GONE,
                "0",
            ),
        ],
        _CLUSTER,
    ),
    Scene(
        "RayfleetHeadMemoryHigh",
        [
            Phases(f"container_memory_working_set_bytes{{{_OF_THE_HEAD}}}", "4e9", "7.5e9"),
            Phases(f'kube_pod_container_resource_limits{{{_OF_THE_HEAD},resource="memory"}}', "8e9", "8e9"),
            Phases('kuberay_cluster_info{namespace="ml",name="demo"}', "1", "1"),
            # Other pods with such a name, where there is no RayCluster, are not our business.
            Phases(
                'container_memory_working_set_bytes{namespace="x",pod="a-head-x2k4z",container="c"}', "9", "9"
            ),
            Phases(
                'kube_pod_container_resource_limits{namespace="x",pod="a-head-x2k4z",container="c",'
                'resource="memory"}',
                "9",
                "9",
            ),
        ],
        {"namespace": "ml", "pod": "demo-head-x2k4z", "container": "ray"},
    ),
    Scene(
        "RayfleetJobWaitsForCluster",
        [
            Phases(f'kuberay_job_deployment_status{{{_PLACE},deployment_status="Running"}}', "1", GONE),
            Phases(f'kuberay_job_deployment_status{{{_PLACE},deployment_status="Initializing"}}', GONE, "1"),
            Phases(f'rayfleet_job_waiting_seconds{{{_PLACE},cluster="c",reason="PodsNotReady"}}', GONE, "60"),
            # One that waits for its user, and one that another operator runs.
            Phases(f'kuberay_job_deployment_status{{{_OTHER},deployment_status="Waiting"}}', "1", "1"),
            Phases(f'rayfleet_job_waiting_seconds{{{_OTHER},cluster="o",reason="User"}}', "60", "60"),
            Phases(
                'kuberay_job_deployment_status{namespace="x",name="x",deployment_status="Initializing"}',
                "1",
                "1",
            ),
        ],
        _CLUSTER,
    ),
    Scene(
        "RayfleetJobDashboardUnreachable",
        [
            Phases(f"kuberay_job_info{{{_PLACE}}}", "1", "1"),
            Phases(f"rayfleet_job_dashboard_unreachable_seconds{{{_PLACE}}}", GONE, "60"),
        ],
        _CLUSTER,
    ),
    Scene(
        "RayfleetJobsLostToInfrastructure",
        [
            Phases(f'{_ATTEMPTS},category="infrastructure",cause="HeadLost"}}', "0", "0+1", "0"),
            # Failures of programs are no fault of the fleet.
            Phases(f'{_ATTEMPTS},category="application",cause="DriverExited"}}', "0+1", "0+1"),
        ],
        lag=5,
    ),
    Scene(
        "RayfleetJobGpusHeld",
        [
            Phases(f'rayfleet_job_gpus_held{{{_PLACE},reason="NoRule"}}', GONE, "8"),
            # A rule will delete the cluster of this one.
            Phases(f'rayfleet_job_gpus_held{{{_OTHER},reason="Kept"}}', "8", "8"),
        ],
        _CLUSTER,
    ),
)
