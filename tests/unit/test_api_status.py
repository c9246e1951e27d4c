"""The status as a model: it trusts nothing that is stored, and reads what it writes."""

import json

import pytest

from crds.status_schema import status_schema
from rayfleet.api.condition import StatusCondition
from rayfleet.api.raycluster.status import (
    AutoscalerStatus,
    ConditionType,
    HeadStatus,
    QueueStatus,
    RayClusterStatus,
    UnservedDemand,
    WorkerGroupStatus,
    recorded,
)
from rayfleet.api.status_model import StatusPart
from support.stored_junk import JUNK, is_sound
from support.structural_schema import faults

MODELS: tuple[type[StatusPart], ...] = (
    *(RayClusterStatus, HeadStatus, StatusCondition, WorkerGroupStatus, AutoscalerStatus, QueueStatus),
    UnservedDemand,
)
FIELDS = [(model, name) for model in MODELS for name in model.fields]
FULL = RayClusterStatus(
    state="ready",
    desired_cpu="4",
    last_update_time="2027-01-15T08:00:00Z",
    state_transition_times={"ready": "2027-01-15T08:00:00Z"},
    endpoints={"gcs": "6379"},
    head=HeadStatus(pod_ip="10.0.0.9", pod_name="demo-head", service_ip="", service_name="demo-head-svc"),
    desired_worker_replicas=2,
    observed_generation=2**40,
    conditions=(
        StatusCondition(
            type="Ready",
            status="False",
            observed_generation=3,
            last_transition_time="2027-01-15T08:00:00Z",
            reason="PodsNotReady",
            message="",
        ),
    ),
    unknown_fields=("spec.headGroupSpec.template.spec.x",),
    head_epoch=0,
    worker_groups=(
        WorkerGroupStatus(group_name="gpu", desired=8, observed_replicas=2, last_index=11),
        WorkerGroupStatus(
            group_name="cpu", reason="Ceiling", message="1 pod waits", since="2027-01-15T08:00:00Z"
        ),
    ),
    autoscaler=AutoscalerStatus(
        summary="As wanted.",
        queue=QueueStatus(known=False, since="2027-01-15T08:00:00Z", message="no answer"),
        unserved=(UnservedDemand(kind="tasks", resources={"GPU": "1"}, reason="Max", message="gpu is"),),
        faults=("query x",),
    ),
)


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda of: getattr(of, "__name__", of))
def test_whatever_is_stored_in_a_field_reads_as_its_type_or_as_absent(
    model: type[StatusPart], name: str
) -> None:
    """It raises nothing: anybody may have written the field."""
    field = model.fields[name]
    for junk in JUNK:
        value = getattr(model.recorded({field.wire_name: junk}), name)
        assert is_sound(field.of, value), (junk, value)


@pytest.mark.parametrize("junk", [*JUNK, [FULL.wire], "text"], ids=lambda of: str(of)[:20])
def test_anything_but_an_object_reads_as_an_empty_status(junk: object) -> None:
    status = recorded(junk)
    assert (status.head_epoch, status.head.pod_name, status.conditions) == (None, "", ())
    assert status.group("gpu").desired is None
    assert not status.holds(ConditionType.READY)


NOT_OURS = [-1, -(2**31), True, False, 1.5, 1.0, "7", None, [], {}, 10**30]


@pytest.mark.parametrize("value", NOT_OURS, ids=str)
def test_a_number_of_another_type_or_out_of_bounds_reads_as_absent(value: object) -> None:
    """Sizes have 32 bits; numbers in names have nine digits."""
    status = recorded({"headEpoch": value, "observedGeneration": value, "readyWorkerReplicas": value})
    assert (status.head_epoch, status.observed_generation, status.ready_worker_replicas) == (None, None, None)
    group = WorkerGroupStatus.recorded({"desired": value, "observedReplicas": value, "lastIndex": value})
    assert (group.desired, group.observed_replicas, group.last_index) == (None, None, None)


def test_bounds_are_those_of_the_field() -> None:
    group = WorkerGroupStatus.recorded({"desired": 2**31 - 1, "lastIndex": 900_000_000, "ready": 0})
    assert (group.desired, group.last_index, group.ready) == (2**31 - 1, 900_000_000, 0)
    beyond = WorkerGroupStatus.recorded({"desired": 2**31, "lastIndex": 900_000_001})
    assert (beyond.desired, beyond.last_index) == (None, None)
    assert recorded({"observedGeneration": 2**40}).observed_generation == 2**40


def test_a_time_with_too_many_digits_reads_as_absent() -> None:
    """The schema takes any number of digits of a second."""
    exact = "2026-01-01T00:00:00.123456789+02:00"
    assert recorded({"lastUpdateTime": exact}).last_update_time == exact
    assert recorded({"lastUpdateTime": f"2026-01-01T00:00:00.{'0' * 200_000}Z"}).last_update_time is None
    times = {"ready": "2026-01-01T00:00:00Z", "suspended": 7, "failed": None, "x": ""}
    assert recorded({"stateTransitionTimes": times}).state_transition_times == {"ready": times["ready"]}


def test_the_first_of_two_groups_with_one_name_counts() -> None:
    """Anything but an entry is skipped."""
    entries = [None, "gpu", {"groupName": ["gpu"], "desired": 1}, {"desired": 2}]
    entries += [{"groupName": "gpu", "desired": 3}, {"groupName": "gpu", "desired": 4}]
    status = recorded({"workerGroups": entries})
    assert status.group("gpu").desired == 3
    assert status.group("other").desired is None


def test_a_condition_is_true_only_if_its_status_is_true() -> None:
    entries = [None, {}, {"type": "Ready", "status": True}, {"type": ["Ready"], "status": "True"}]
    assert not recorded({"conditions": entries}).holds(ConditionType.READY)
    assert recorded({"conditions": [*entries, {"type": "Ready", "status": "True"}]}).holds(
        ConditionType.READY
    )
    assert not recorded({"conditions": {"Ready": "True"}}).holds(ConditionType.READY)


def test_a_written_status_can_be_read_back() -> None:
    """Each field survives JSON."""

    def same(before: object, after: object) -> bool:
        if isinstance(before, StatusPart):
            return all(same(getattr(before, name), getattr(after, name)) for name in before.fields)
        if isinstance(before, tuple):
            return isinstance(after, tuple) and len(before) == len(after) and all(map(same, before, after))
        return bool(before == after)

    read = recorded(json.loads(json.dumps(FULL.wire)))
    assert same(FULL, read)
    assert read.worker_groups[0].desired == 8
    assert read.autoscaler.unserved[0].resources == {"GPU": "1"}
    assert list(faults(status_schema(RayClusterStatus), FULL.wire)) == []


def test_names_on_the_wire_are_those_of_the_api() -> None:
    """Ray's users know some; ours are stored in every cluster."""
    assert set(FULL.wire) == {
        *("state", "desiredCPU", "lastUpdateTime", "stateTransitionTimes", "endpoints", "head"),
        *("desiredWorkerReplicas", "observedGeneration", "conditions", "unknownFields", "headEpoch"),
        *("workerGroups", "autoscaler"),
    }
    assert set(FULL.wire["head"]) == {"podIP", "podName", "serviceIP", "serviceName"}
    assert FULL.wire["workerGroups"][0] == {
        "groupName": "gpu",
        "desired": 8,
        "observedReplicas": 2,
        "lastIndex": 11,
    }
    assert FULL.wire["autoscaler"]["queue"] == {
        "known": False,
        "since": "2027-01-15T08:00:00Z",
        "message": "no answer",
    }


def test_unknown_fields_stay_in_a_changed_status() -> None:
    """They are somebody else's."""
    status = recorded({"others": 1, "head": {"theirs": 2, "podIP": "10.0.0.1"}, "state": 7})
    after = status | RayClusterStatus(head=status.head | HeadStatus(pod_ip=""))
    assert after.wire == {"others": 1, "head": {"theirs": 2, "podIP": ""}, "state": 7}
    assert after.without("state", "head").wire == {"others": 1}
    assert after.only("head").wire == {"head": {"theirs": 2, "podIP": ""}}
    assert status.wire["head"] == {"theirs": 2, "podIP": "10.0.0.1"}


def test_a_field_that_reads_as_absent_is_still_present() -> None:
    """So the next write can correct it."""
    status = recorded({"headEpoch": "x"})
    assert status.head_epoch is None
    assert status.has("head_epoch")
    assert not status.has("state")


def test_a_status_is_immutable() -> None:
    """All readers share it."""
    with pytest.raises(AttributeError):
        setattr(FULL, "head_epoch", 3)  # noqa: B010 - the type checker refuses it, too
