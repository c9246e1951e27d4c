"""The series of clusters and worker groups, on values."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from rayfleet.api.raycluster.status import ConditionType
from rayfleet.autoscaling import Waiting
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.series import cluster_lines
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kube.cache import Glance
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.polling import STALE_SECONDS, Moment, Observation
from rayfleet.ray.state import NodeStatus, RayNode
from rayfleet.telemetry.metrics.cluster_definitions import CLUSTERS
from support.builders import NOW, UID, cluster, group, head, snapshot, spec, worker
from support.demand_cases import node, resources, state

SERIES_A_CLUSTER = 14
SERIES_A_GROUP = 6
PLACE = {"name": "demo", "namespace": "ml"}
OF_GROUPS = {of.name for of in CLUSTERS.definitions if "group" in of.labels}


def glance(of: Root, status: dict[str, Any] | None = None, **labels: str) -> Glance:
    return Glance(of.key, of.uid, NOW - 90, labels, of.status if status is None else status)


def samples(of: Glance, pods: Iterable[Pod] = (), accounts: ClusterAccounts | None = None) -> list[Sample]:
    text = "".join(line for _, line in cluster_lines(of, pods, accounts or ClusterAccounts()))
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def values(found: Iterable[Sample], name: str) -> dict[tuple[str, ...], float]:
    """The samples of one metric by their labels, without the cluster's own."""
    return {
        tuple(value for label, value in sorted(s.labels.items()) if label not in PLACE): s.value
        for s in found
        if s.name == name
    }


def heard(*nodes: RayNode, uid: str = UID) -> Observation:
    """The state of a head that has just answered."""
    return Observation(uid, state(nodes=nodes), Moment(NOW, 0.0))


def computed(of: Root, pods: Iterable[Pod]) -> dict[str, Any]:
    """The status that the operator would write."""
    seen = snapshot(of, pods)
    return compute_status(seen, plan(seen), ())


def test_a_ready_cluster_shows_what_dashboards_look_for() -> None:
    """They have its identity, that it is provisioned, and how long that took."""
    of = cluster()
    found = samples(glance(of, computed(of, [head(of), *(worker(of, n) for n in (1, 2, 3))])))
    identity = {**PLACE, "uid": UID}
    assert [(s.labels, s.value) for s in found if s.name == "kuberay_cluster_info"] == [
        ({**identity, "owner_kind": "None"}, 1.0)
    ]
    assert [(s.labels, s.value) for s in found if s.name == "kuberay_cluster_condition_provisioned"] == [
        ({**identity, "condition": "true"}, 1.0)
    ]
    assert [
        (s.labels, s.value) for s in found if s.name == "kuberay_cluster_provisioned_duration_seconds"
    ] == [(identity, 90.0)]


def test_a_cluster_that_starts_is_not_provisioned_and_has_no_duration() -> None:
    """The label has its other value, and no series looks like 0 s."""
    of = cluster()
    for status in ({}, computed(of, [head(of)])):
        found = samples(glance(of, status))
        assert values(found, "kuberay_cluster_condition_provisioned") == {("false", UID): 1.0}
        assert values(found, "kuberay_cluster_provisioned_duration_seconds") == {}


def test_the_owner_is_named_by_its_kind() -> None:
    """The label on the cluster has it."""
    found = samples(glance(cluster(), {}, **{"ray.io/originated-from-crd": "RayJob"}))
    assert values(found, "kuberay_cluster_info") == {("RayJob", UID): 1.0}


@pytest.mark.parametrize("kind", ["", "v1", "RayCluster", 'a"b'])
def test_only_the_kinds_of_owners_that_exist_are_shown(kind: str) -> None:
    """A tenant may write anything into the label, and each value would be another series."""
    seen = glance(cluster(), {}, **{"ray.io/originated-from-crd": kind})
    found = samples(seen, [worker(cluster(), 1, gpus=1)])
    assert values(found, "kuberay_cluster_info") == {("None", UID): 1.0}
    assert values(found, "rayfleet_cluster_gpu_seconds_total") == {("None", "allocated"): 0.0}


def test_conditions_are_1_or_0_with_their_reason() -> None:
    """They are absent if the object has none; those of other writers are not shown."""
    of = cluster()
    status = computed(of, [head(of, ready=False, unready_reason="CrashLoopBackOff")])
    status["conditions"].append({"type": "Theirs", "status": "True", "reason": "Unknown"})
    assert values(samples(glance(of, status)), "rayfleet_cluster_condition") == {
        ("HeadPodReady", "CrashLoopBackOff"): 0.0,
        ("RayClusterProvisioned", "RayClusterPodsProvisioning"): 0.0,
        ("Ready", "PodsNotReady"): 0.0,
        ("Valid", "SpecAccepted"): 1.0,
    }


def test_sizes_of_groups_are_those_of_their_living_pods() -> None:
    """They are desired, running, pending and ready; ended and terminating pods and the head do not count."""
    of = cluster(spec(group("gpu", 5), group("cpu", 2)))
    pods = [
        head(of),
        worker(of, 1),
        worker(of, 2, ready=False),
        worker(of, 3, phase="Pending", ready=False),
        worker(of, 4, deleting=True),
        worker(of, 5, phase="Failed", ready=False),
        worker(of, 1, group_name="cpu"),
    ]
    found = samples(glance(of, computed(of, pods)), pods)
    assert values(found, "rayfleet_worker_group_desired_pods") == {("gpu",): 5, ("cpu",): 2}
    assert values(found, "rayfleet_worker_group_running_pods") == {("gpu",): 2, ("cpu",): 1}
    assert values(found, "rayfleet_worker_group_pending_pods") == {("gpu",): 1, ("cpu",): 0}
    assert values(found, "rayfleet_worker_group_ready_pods") == {("gpu",): 1, ("cpu",): 1}


def test_pods_of_a_group_that_the_cluster_does_not_have_make_no_series() -> None:
    """A tenant may label pods with any number of groups. Those of a removed group are deleted anyway."""
    of = cluster(spec(group("gpu", 1)))
    pods = [head(of), worker(of, 1), *(worker(of, 1, group_name=f"old-{n}") for n in range(9))]
    found = samples(glance(of, computed(of, pods)), pods)
    assert values(found, "rayfleet_worker_group_desired_pods") == {("gpu",): 1}
    assert values(found, "rayfleet_worker_group_running_pods") == {("gpu",): 1}


def test_pods_of_an_earlier_cluster_of_the_same_name_do_not_count() -> None:
    """They belong to another object until they are gone."""
    of = cluster(spec(group("gpu", 1)))
    other = replace(of, uid="another")
    found = samples(glance(of, computed(of, [])), [worker(other, 1)])
    assert values(found, "rayfleet_worker_group_running_pods") == {("gpu",): 0}


def test_gpu_seconds_are_those_of_its_pods_and_of_its_ray() -> None:
    """They have the kind of its owner, so that they can be summed by it."""
    of, now = cluster(), 0.0
    pods = [head(of), worker(of, 1, gpus=4), worker(of, 2, gpus=4)]
    total = resources(GPU=4)
    nodes = (node(pods[1].name, "gpu", total, available=()), node(pods[2].name, "gpu", total))
    accounts = ClusterAccounts(lambda _: heard(*nodes), lambda: now)
    seen = glance(of, {}, **{"ray.io/originated-from-crd": "RayJob"})
    samples(seen, pods, accounts)
    now = 10.0
    assert values(samples(seen, pods, accounts), "rayfleet_cluster_gpu_seconds_total") == {
        ("RayJob", "allocated"): 80.0,
        ("RayJob", "used"): 40.0,
        ("RayJob", "idle"): 0.0,
    }


@pytest.mark.parametrize(
    ("seen", "now"), [(None, 0.0), (heard(uid="another"), 0.0), (heard(), STALE_SECONDS + 1)]
)
def test_without_a_recent_answer_of_its_head_there_are_no_series_about_ray(
    seen: Observation | None, now: float
) -> None:
    """Unknown is not zero."""
    of = cluster()
    found = samples(glance(of), [worker(of, 1, gpus=4)], ClusterAccounts(lambda _: seen, lambda: now))
    assert values(found, "rayfleet_cluster_gpu_seconds_total") == {("None", "allocated"): 0.0}


def test_leaving_pods_are_those_that_ray_drains_and_those_being_deleted() -> None:
    """They count until they have ended. A draining pod still runs."""
    of = cluster(spec(group("gpu", 2)))
    pods = [
        worker(of, 1),
        worker(of, 2),
        worker(of, 3, deleting=True),
        worker(of, 4, deleting=True, phase="Succeeded"),
    ]
    nodes = (node(pod.name, "gpu", (), status=NodeStatus.DRAINING) for pod in pods[1:3])
    seen = heard(*nodes)
    found = samples(glance(of, computed(of, pods)), pods, ClusterAccounts(lambda _: seen, lambda: 0.0))
    assert values(found, "rayfleet_worker_group_draining_pods") == {("gpu",): 2}
    assert values(found, "rayfleet_worker_group_running_pods") == {("gpu",): 2}


def test_a_group_whose_pods_cannot_be_created_says_why() -> None:
    """The reason is that of its status; reasons of others are not shown."""
    groups = [
        {"groupName": "gpu", "desired": 2, "reason": "QuotaExceeded"},
        {"groupName": "cpu", "desired": 2},
        {"groupName": "odd", "desired": 2, "reason": "Surprise"},
    ]
    found = samples(glance(cluster(), {"workerGroups": groups}))
    assert values(found, "rayfleet_worker_group_held") == {("gpu", "QuotaExceeded"): 1.0}


def test_a_cluster_that_follows_its_queue_shows_waiting_demand_and_its_hold() -> None:
    """It does so until the queue is unknown; another cluster of the same name shows none."""
    of, accounts = cluster(), ClusterAccounts()
    accounts.scaling.note(of.key, of.uid, Waiting(7, "Max"), frozenset(), frozenset())
    name = "rayfleet_cluster_waiting_requests"
    assert values(samples(glance(of), (), accounts), name) == {("Max",): 7.0}
    assert values(samples(glance(replace(of, uid="another")), (), accounts), name) == {}
    accounts.forget(of.key)
    assert values(samples(glance(of), (), accounts), name) == {}


def test_series_stay_within_their_bounds() -> None:
    """With every condition there are 14 per cluster and 6 per group; never one per pod, nor one twice."""
    of = cluster(spec(*(group(f"g{n}", 2) for n in range(5))))
    pods = [head(of), *(worker(of, n, group_name=f"g{g}", gpus=1) for g in range(5) for n in range(1, 21))]
    status = computed(of, pods)
    for each in status["workerGroups"] * 2:
        each["reason"] = "Ceiling"
    transition = {"status": "True", "reason": "R", "lastTransitionTime": "2027-01-15T08:00:00Z"}
    accounts = ClusterAccounts(lambda _: heard(), lambda: 0.0)
    accounts.scaling.note(of.key, of.uid, Waiting(), frozenset(), frozenset())
    for kinds in (set(ConditionType), set(ConditionType) - {ConditionType.MANAGED}):
        status["conditions"] = [{"type": str(kind), **transition} for kind in kinds] * 2
        found = samples(glance(of, status), pods, accounts)
        counts = Counter(sample.name in OF_GROUPS for sample in found)
        assert counts[True] == 5 * SERIES_A_GROUP
        assert len(kinds) + 4 <= counts[False] <= SERIES_A_CLUSTER
        assert len({(s.name, *sorted(s.labels.items())) for s in found}) == len(found)


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": "none", "workerGroups": "none"},
        {"conditions": [None, {}, {"type": "Ready"}], "workerGroups": [None, {}, {"groupName": "a"}]},
        {"conditions": [{"type": "RayClusterProvisioned", "status": "True", "lastTransitionTime": "soon"}]},
        {"conditions": [{"type": "RayClusterProvisioned", "status": "True", "lastTransitionTime": 7}]},
    ],
)
def test_a_status_of_any_shape_does_not_break_the_scrape(status: dict[str, Any]) -> None:
    """Somebody else may have written it; unreadable parts are omitted."""
    found = samples(glance(cluster(), status))
    assert values(found, "kuberay_cluster_info") == {("None", UID): 1.0}
    assert values(found, "kuberay_cluster_provisioned_duration_seconds") == {}


def test_values_of_labels_are_escaped() -> None:
    """Any value stays on one line and can be parsed back."""
    odd = 'a "quoted"\\back\nslash'
    status = {"conditions": [{"type": "Ready", "status": "True", "reason": odd}]}
    assert values(samples(glance(cluster(), status)), "rayfleet_cluster_condition") == {("Ready", odd): 1.0}
