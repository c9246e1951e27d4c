"""The status: its content, and that it changes only when something happened."""

from typing import Any

import pytest

from rayfleet.api.violation import Violation
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Succeeded
from rayfleet.engine.statuses import status_patch
from rayfleet.errors import ApiFailure, StatusCause
from rayfleet.kinds.raycluster.plan import CreatePod, plan
from rayfleet.kinds.raycluster.snapshot import Hold, Snapshot
from rayfleet.kinds.raycluster.status import compute_status, is_urgent
from support.builders import NOW, cluster, group, head, snapshot, spec, template, worker

READY_SINCE = "2027-01-15T08:00:00Z"


def status_of(seen: Snapshot, outcomes: tuple[Outcome, ...] = ()) -> dict[str, Any]:
    return compute_status(seen, plan(seen), outcomes)


def condition(status: dict[str, Any], kind: str) -> dict[str, Any] | None:
    return next((c for c in status["conditions"] if c["type"] == kind), None)


def test_a_cluster_whose_pods_are_all_ready_is_ready_and_provisioned() -> None:
    """It has sizes, capacity, head and endpoints as Ray's users know them."""
    of = cluster(spec(group(replicas=2, maxReplicas=4, template=template(cpu="2", memory="4Gi", gpu="1"))))
    status = status_of(snapshot(of, [head(of), worker(of, 1), worker(of, 2)]))
    assert status["state"] == "ready"
    assert status["stateTransitionTimes"] == {"ready": READY_SINCE}
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "HeadPodReady": "True",
        "RayClusterProvisioned": "True",
        "Ready": "True",
        "Valid": "True",
    }
    sizes = ("desired", "min", "max", "available", "ready")
    assert [status[f"{size}WorkerReplicas"] for size in sizes] == [2, 0, 4, 2, 2]
    assert (status["desiredCPU"], status["desiredMemory"], status["desiredGPU"]) == ("4", "8Gi", "2")
    assert status["head"] == {
        "podName": head(of).name,
        "podIP": "10.0.0.9",
        "serviceName": "demo-head-svc",
        "serviceIP": "10.0.0.9",
    }
    assert status["endpoints"] == {"gcs-server": "6379", "dashboard": "8265"}
    assert status["workerGroups"] == [
        {
            "groupName": "gpu",
            "desired": 2,
            "observedReplicas": 2,
            "replicas": 2,
            "ready": 2,
            "pending": 0,
            "lastIndex": 2,
        }
    ]


@pytest.mark.parametrize(
    ("resource", "each", "sum_of_two"),
    [
        ("nvidia.com/mig-1g.5gb", "2", "4"),
        ("nvidia.com/gpu", "1", "2"),
        ("amd.com/gpu", "1", "2"),
        ("example.com/notgpus", "1", "0"),
    ],
)
def test_desired_gpus_are_those_that_ray_is_started_with(resource: str, each: str, sum_of_two: str) -> None:
    """Slices of a GPU count as GPUs, as `--num-gpus` counts them."""
    of = cluster(spec(group(replicas=2, template=template(**{resource: each}))))
    assert status_of(snapshot(of, [head(of)]))["desiredGPU"] == sum_of_two


def test_a_suspended_group_has_a_desired_size_of_0_and_delays_nothing() -> None:
    """Neither missing nor remaining pods delay readiness."""
    rest = group("rest", replicas=4, minReplicas=2, suspend=True, template=template(gpu="1"))
    of = cluster(spec(group(replicas=1, template=template(gpu="1")), rest))
    for left in ([], [worker(of, 1, group_name="rest", ready=False)]):
        status = status_of(snapshot(of, [head(of), worker(of, 1), *left]))
        sizes = [status[f"{size}WorkerReplicas"] for size in ("desired", "min", "max")]
        assert (sizes, status["desiredGPU"]) == ([1, 0, 10], "1")
        assert status["workerGroups"][1]["desired"] == 0
        assert status["state"] == "ready"
        assert (condition(status, "Ready") or {})["status"] == "True"
    status = status_of(snapshot(of, [head(of), worker(of, 2, group_name="rest")]))
    assert "state" not in status
    assert (condition(status, "Ready") or {})["message"].startswith("1 of 2 pods are ready")


def test_a_cluster_that_is_completed_by_a_pass_is_provisioned_by_it() -> None:
    """There may never be another pass; a pass that failed does not count."""
    of = cluster(spec(group(replicas=1)))
    pods = [head(of), worker(of, 1)]
    decided = plan(snapshot(of, pods, with_service=False))
    done = tuple(map(Succeeded, decided.actions))
    not_tried = tuple(map(NotTried, decided.actions))
    assert decided.actions
    assert compute_status(snapshot(of, pods), decided, done)["state"] == "ready"
    assert "state" not in compute_status(snapshot(of, pods), decided, not_tried)


def test_sixty_polls_of_a_steady_cluster_change_nothing() -> None:
    """No time changes either."""
    of = cluster(spec(group(replicas=1)))
    pods = [head(of), worker(of, 1)]
    first = status_of(snapshot(of, pods))
    for minute in range(60):
        of = cluster(spec(group(replicas=1)), status=first)
        again = status_of(snapshot(of, pods, now=NOW + 60 * minute))
        assert status_patch(first, again) == {}


def test_ready_is_the_current_state_and_provisioned_stays() -> None:
    """A lost worker makes `Ready` False; `state` and `RayClusterProvisioned` keep their meaning."""
    of = cluster(spec(group(replicas=1)))
    before = status_of(snapshot(of, [head(of), worker(of, 1)]))
    of = cluster(spec(group(replicas=1)), status=before)
    after = status_of(snapshot(of, [head(of)], now=NOW + 60))
    assert (condition(after, "Ready") or {})["status"] == "False"
    assert (condition(after, "RayClusterProvisioned") or {})["status"] == "True"
    assert after["state"] == "ready"


def test_provisioned_needs_every_wanted_pod_and_not_just_those_that_exist() -> None:
    """A ready head whose workers could not be created is not a provisioned cluster."""
    of = cluster()
    status = status_of(snapshot(of, [head(of)], held={"gpu": Hold(NOW + 5, "exceeded quota")}))
    assert (condition(status, "RayClusterProvisioned") or {})["status"] == "False"
    assert (condition(status, "ReplicaFailure") or {})["reason"] == "FailedCreateWorkerPod"
    assert "exceeded quota" in (condition(status, "Ready") or {})["message"]


def test_replica_failure_goes_when_nothing_fails_any_more() -> None:
    """Absent, as Ray's users know it, not False."""
    of = cluster(spec(group(replicas=1)))
    failing = status_of(snapshot(of, [head(of)], held={"gpu": Hold(NOW + 5, "exceeded quota")}))
    of = cluster(spec(group(replicas=1)), status=failing)
    assert condition(status_of(snapshot(of, [head(of), worker(of, 1)])), "ReplicaFailure") is None


def test_a_transition_time_is_kept_while_the_condition_holds() -> None:
    """It is new when the condition changes."""
    of = cluster(spec(group(replicas=1)))
    first = status_of(snapshot(of, [head(of, ready=False)]))
    of = cluster(spec(group(replicas=1)), status=first)
    later = status_of(snapshot(of, [head(of)], now=NOW + 60))
    assert (condition(later, "Ready") or {})["lastTransitionTime"] == READY_SINCE
    assert (condition(later, "HeadPodReady") or {})["lastTransitionTime"] == "2027-01-15T08:01:00Z"


def test_conditions_of_others_are_kept() -> None:
    """Kueue and the like may write their own."""
    foreign = {"type": "example.com/Checked", "status": "True", "reason": "Fine", "message": ""}
    of = cluster(status={"conditions": [foreign], "somebodys": 1})
    status = status_of(snapshot(of))
    assert foreign in status["conditions"]
    assert status["somebodys"] == 1


def test_an_invalid_spec_names_the_field_and_the_rule() -> None:
    """Nothing else in the status claims to be current."""
    of = cluster()
    seen = snapshot(
        of, spec=None, violations=(Violation("spec.workerGroupSpecs[0].minReplicas", "is negative."),)
    )
    valid = condition(status_of(seen), "Valid") or {}
    assert (valid["status"], valid["reason"]) == ("False", "InvalidSpec")
    assert valid["message"] == "spec.workerGroupSpecs[0].minReplicas: is negative."


def test_a_field_that_is_not_acted_on_is_reported() -> None:
    """The message says what happens instead."""
    of = cluster(
        spec(group(replicas=0), enableInTreeAutoscaling=True, autoscalerOptions={"runtime": "Sidecar"})
    )
    supported = condition(status_of(snapshot(of, [head(of)])), "Supported") or {}
    assert supported["status"] == "False"
    assert "spec.autoscalerOptions.runtime is not acted on yet" in supported["message"]


def test_the_status_of_another_controllers_cluster_is_not_written() -> None:
    """Its status stays as it is."""
    of = cluster(spec(managedBy="kueue.x-k8s.io/multikueue"), status={"state": "theirs"})
    assert status_of(snapshot(of)) == {"state": "theirs"}


def test_while_another_operator_is_alive_only_that_is_reported() -> None:
    """There is one condition; the other operator writes sizes, state and shared conditions."""
    theirs = {"type": "HeadPodReady", "status": "True", "reason": "HeadPodRunningAndReady", "message": ""}
    of = cluster(status={"state": "ready", "conditions": [theirs]})
    status = status_of(snapshot(of, other_operator="kuberay/ray-operator-leader"))
    assert [c["type"] for c in status["conditions"]] == ["HeadPodReady", "Managed"]
    assert status["conditions"][0] == theirs
    assert set(status) == {"state", "conditions", "lastUpdateTime"}


def test_a_head_epoch_that_was_not_stored_is_not_recorded() -> None:
    """Only existing heads and stored epochs count."""
    of = cluster(status={"headEpoch": 2, "head": {"podName": "demo-head-old"}})
    assert status_of(snapshot(of))["headEpoch"] == 2


REFUSED = ApiFailure(422, "Invalid", "bad", (StatusCause("spec.containers[0].image", "Required value"),))
CONFLICT = ApiFailure(409, "AlreadyExists", "exists")
QUOTA = ApiFailure(403, "Forbidden", "exceeded quota")


@pytest.mark.parametrize(("failure", "shows"), [(REFUSED, False), (CONFLICT, False), (QUOTA, True)])
def test_only_real_trouble_is_a_replica_failure(failure: ApiFailure, shows: bool) -> None:  # noqa: FBT001 - a table's column
    """A conflict is two writers taking turns; a refused template shows as `Valid`."""
    of = cluster()
    create = CreatePod("worker", "gpu", "x", "hash", {}, "3 pods fewer than wanted")
    status = status_of(snapshot(of, [head(of)]), (Failed(create, failure),))
    assert (condition(status, "ReplicaFailure") is not None) is shows


def test_a_refusal_has_the_same_message_while_its_group_is_held() -> None:
    """It names the group from the start, and further attempts change nothing."""
    of = cluster()
    create = CreatePod("worker", "gpu", "x", "hash", {}, "3 pods fewer than wanted")
    refused = status_of(snapshot(of, [head(of)]), (Failed(create, QUOTA),))
    waiting = status_of(snapshot(of, [head(of)], held={"gpu": Hold(NOW + 5, QUOTA.message)}))
    assert (condition(refused, "ReplicaFailure") or {})["message"] == "group gpu: exceeded quota"
    assert condition(refused, "ReplicaFailure") == condition(waiting, "ReplicaFailure")


def test_counts_and_a_first_status_without_trouble_are_not_urgent() -> None:
    """So ten pods that become ready together cause one write."""
    of = cluster(spec(group(replicas=2)))
    first = status_of(snapshot(of, [head(of, ready=False)]))
    assert not is_urgent({}, first)
    of = cluster(spec(group(replicas=2)), status=first)
    counted = status_of(snapshot(of, [head(of), worker(of, 1), worker(of, 2, ready=False)]))
    assert status_patch(first, counted)
    assert not is_urgent(first, counted)
    done = status_of(snapshot(of, [head(of), worker(of, 1), worker(of, 2)]))
    assert is_urgent(first, done)
    assert is_urgent({}, done)


def test_a_first_status_with_trouble_is_urgent() -> None:
    """The user waits for it."""
    unsupported = cluster(spec(group(replicas=2), tlsOptions={"enabled": True}))
    assert is_urgent({}, status_of(snapshot(unsupported, [])))
    invalid = snapshot(cluster(), [], violations=(Violation("spec.rayVersion", "is not a version"),))
    assert is_urgent({}, status_of(invalid))


def test_each_change_of_readiness_is_urgent() -> None:
    """Somebody may wait for it, or rely on it."""
    of = cluster(spec(group(replicas=2)))
    complete = status_of(snapshot(of, [head(of), worker(of, 1), worker(of, 2)]))
    of = cluster(spec(group(replicas=2)), status=complete)
    lacking = status_of(snapshot(of, [head(of), worker(of, 1)]))
    assert is_urgent(complete, lacking)
    assert is_urgent(lacking, complete)


def test_the_last_step_to_the_desired_size_is_urgent() -> None:
    """Otherwise the counts would still include a worker that has left."""
    of = cluster(spec(group(replicas=1)))
    more = status_of(snapshot(of, [head(of), worker(of, 1), worker(of, 2)]))
    of = cluster(spec(group(replicas=1)), status=more)
    fewer = status_of(snapshot(of, [head(of), worker(of, 1)]))
    assert is_urgent(more, fewer)


def test_a_port_that_was_removed_from_the_service_is_removed_from_the_status() -> None:
    """A merge patch keeps keys that it does not name."""
    before = {"endpoints": {"client": "10001", "serve": "8000"}, "conditions": []}
    after = {"endpoints": {"client": "10001"}, "conditions": []}
    assert status_patch(before, after) == {"endpoints": {"serve": None}}


def test_amounts_finer_than_kubernetes_counts_are_rounded_up() -> None:
    """Kubernetes does so itself; a sum is a quantity whatever the template says."""
    of = cluster(spec(group(replicas=1, template=template(cpu="1e-12"))))
    assert status_of(snapshot(of, [head(of)]))["desiredCPU"] == "1n"


def test_sums_stay_within_the_width_of_their_fields() -> None:
    """Otherwise the API server would refuse the whole status."""
    huge = group(replicas=1_000_000, minReplicas=1_000_000, maxReplicas=2_147_483_647, numOfHosts=3000)
    status = status_of(snapshot(cluster(spec(huge))))
    sizes = [status[f"{size}WorkerReplicas"] for size in ("desired", "min", "max")]
    assert [*sizes, status["workerGroups"][0]["desired"]] == [2**31 - 1] * 4
