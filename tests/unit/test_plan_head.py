"""The head: there is one, it is always replaced, and never two may both live."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycluster.manifests import head_pod, head_pod_name
from rayfleet.kinds.raycluster.plan import AdvanceHeadEpoch, Cause, CreatePod, DeletePod, Plan, plan
from rayfleet.kinds.raycluster.snapshot import Hold
from support.builders import NOW, cluster, ended_by_kubelet, group, head, ray_ended, snapshot, spec, worker

LONE = spec(group(replicas=0))


def heads_of(decided: Plan) -> list[CreatePod]:
    return [a for a in decided.actions if isinstance(a, CreatePod) and a.node_type == "head"]


def existing(epoch: int) -> dict[str, Any]:
    """A status that has seen the head of `epoch`."""
    return {"headEpoch": epoch, "head": {"podName": head_pod_name(cluster(LONE), epoch)}}


def test_a_new_cluster_gets_its_service_and_then_the_head_of_epoch_0() -> None:
    """Nothing is recorded or exists, so no epoch has to be written."""
    of = cluster(LONE)
    decided = plan(snapshot(of, with_service=False))
    assert [type(action).__name__ for action in decided.actions] == ["CreateService", "CreatePod"]
    assert heads_of(decided)[0].name == head_pod_name(of, 0)


def test_a_ready_head_is_left_alone() -> None:
    """The plan is empty at rest."""
    of = cluster(LONE, status=existing(0))
    assert plan(snapshot(of, [head(of)])).actions == ()


def test_a_head_that_is_gone_is_replaced_under_the_next_epoch_which_is_recorded_first() -> None:
    """The epoch is written in a stage before the create."""
    of = cluster(LONE, status=existing(3))
    decided = plan(snapshot(of))
    assert decided.stages[0] == (AdvanceHeadEpoch(4, "the head pod is gone"),)
    assert [a.name for a in heads_of(decided)] == [head_pod_name(of, 4)]


def test_an_epoch_that_was_recorded_but_not_used_is_not_raised_again() -> None:
    """After a kill between the epoch's write and the create, the next process uses the same epoch."""
    of = cluster(LONE, status=existing(0) | {"headEpoch": 1})
    decided = plan(snapshot(of))
    assert [type(a).__name__ for a in decided.actions] == ["CreatePod"]
    assert heads_of(decided)[0].name == head_pod_name(of, 1)


ENDED = [
    pytest.param({"end": ray_ended(137)}, id="its container has ended"),
    pytest.param({"phase": "Failed", "end": ended_by_kubelet("Evicted")}, id="it was evicted"),
    pytest.param({"phase": "Succeeded"}, id="it has exited"),
]


@pytest.mark.parametrize("how", ENDED)
def test_a_head_that_has_ended_is_deleted_and_replaced_in_one_pass(how: dict[str, Any]) -> None:
    """Ray cannot run in it any more, so the next may start while its object is deleted."""
    of = cluster(LONE, status=existing(0))
    old = head(of, **how)
    decided = plan(snapshot(of, [old]))
    assert [a.name for a in heads_of(decided)] == [head_pod_name(of, 1)]
    assert [(d.uid, d.cause) for d in decided.deletes] == [(old.uid, Cause.ENDED)]


MAY_LIVE = [
    pytest.param({"deleting": True}, id="it is being deleted"),
    pytest.param({"phase": "Pending", "ready": False}, id="it has not started"),
    pytest.param({"phase": "Unknown", "ready": False}, id="its node is silent"),
    pytest.param({"ready": False}, id="it is not ready"),
]


@pytest.mark.parametrize("how", MAY_LIVE)
def test_while_the_head_may_live_there_is_no_second_one(how: dict[str, Any]) -> None:
    """Only its end makes room for another."""
    of = cluster(LONE, status=existing(0))
    assert plan(snapshot(of, [head(of, **how)])).actions == ()


def test_the_head_of_the_older_epoch_goes_if_there_are_two() -> None:
    """This happens after a restored backup."""
    of = cluster(LONE, status=existing(1))
    old = head(of, epoch=0)
    decided = plan(snapshot(of, [old, head(of, epoch=1)]))
    assert decided.actions == (
        DeletePod("head", "headgroup", old.name, old.uid, Cause.SUPERSEDED, "another head is current"),
    )


def test_a_wiped_status_is_rebuilt_from_the_pods() -> None:
    """The epoch of a head that ended is known from its annotation: its name is not used again."""
    of = cluster(LONE)
    decided = plan(snapshot(of, [head(of, epoch=5, end=ray_ended())]))
    assert [a.name for a in heads_of(decided)] == [head_pod_name(of, 6)]


def test_a_head_made_by_another_operator_counts() -> None:
    """It is known by its owner and labels, whatever its name."""
    of = cluster(LONE)
    adopted = head(of, name="demo-head-abcde", head_epoch=None)
    assert plan(snapshot(of, [adopted])).actions == ()


def test_a_head_that_ends_at_once_is_not_replaced_before_ten_seconds() -> None:
    """A head that cannot start must not cause creates at full speed."""
    of = cluster(LONE, status=existing(0))
    decided = plan(snapshot(of, [head(of, end=ray_ended(), created=NOW - 4)]))
    assert decided.actions == ()
    assert decided.requeue_after == pytest.approx(6.0)


def test_a_template_that_was_refused_is_not_sent_again() -> None:
    """The epoch does not rise for it."""
    of = cluster(LONE, status=existing(0))
    refused = {head_pod(of, snapshot(of).spec, 0).template_hash: "image: Required value"}  # type: ignore[arg-type]  # it is valid
    decided = plan(snapshot(of, refused=refused))
    assert (decided.actions, decided.waits) == ((), ("image: Required value",))


def test_a_head_that_could_not_be_created_is_held_until_its_time() -> None:
    """There is no write, no new epoch, and a wake-up at the end of the hold."""
    of = cluster(LONE, status=existing(0))
    decided = plan(snapshot(of, held={"headgroup": Hold(NOW + 7, "exceeded quota")}))
    assert (decided.actions, decided.waits, decided.requeue_after) == ((), ("exceeded quota",), 7.0)


def test_an_ended_head_whose_object_stays_does_not_raise_the_epoch_again() -> None:
    """Its finalizer may hang while the next head cannot be created."""
    of = cluster(LONE, status=existing(0) | {"headEpoch": 1})
    decided = plan(snapshot(of, [head(of, epoch=0, end=ray_ended())]))
    assert not [a for a in decided.actions if isinstance(a, AdvanceHeadEpoch)]
    assert [a.name for a in heads_of(decided)] == [head_pod_name(of, 1)]


PROVISIONED = {"conditions": [{"type": "RayClusterProvisioned", "status": "True"}]}
NO_RESTART = {"ray.io/disable-provisioned-head-restart": "true"}


@pytest.mark.parametrize("ended", [True, False])
def test_a_cluster_that_forbids_it_gets_no_second_head_once_it_was_whole(*, ended: bool) -> None:
    """A head with the submitter of a job would run it again; the ended pod stays, with its logs."""
    of = replace(cluster(status=existing(0) | PROVISIONED), annotations=NO_RESTART)
    pods = [worker(of, 1), *([head(of, end=ray_ended())] if ended else [])]
    decided = plan(snapshot(of, pods))
    assert decided.actions == ()
    assert decided.waits == (
        "the head has ended, and ray.io/disable-provisioned-head-restart forbids another one",
    )


def test_such_a_cluster_gets_heads_until_it_was_whole_once() -> None:
    """A cluster that was never whole has run nothing."""
    of = replace(cluster(LONE), annotations=NO_RESTART)
    assert heads_of(plan(snapshot(of)))
    gone = replace(cluster(LONE, status=existing(0)), annotations=NO_RESTART)
    assert heads_of(plan(snapshot(gone)))


SIDECAR = {"ray.io/job-submission-mode": "SidecarMode"}
SEEN_RUNNING = existing(0)["head"] | {"podIP": "10.0.0.9"}


@pytest.mark.parametrize(
    ("ended", "seen", "again"),
    [
        pytest.param({}, existing(0)["head"], False, id="it ended"),
        pytest.param(None, SEEN_RUNNING, False, id="it is gone"),
        pytest.param({"pod_ip": ""}, existing(0)["head"], True, id="it ended before it had an address"),
        pytest.param(None, existing(0)["head"], True, id="it is gone and never had an address"),
    ],
)
def test_a_head_with_the_submitter_of_a_job_is_not_replaced_once_it_may_have_run(
    ended: dict[str, Any] | None,
    seen: dict[str, Any],
    again: bool,  # noqa: FBT001 - a table's column
) -> None:
    """It submits the job as soon as it runs, whether or not the cluster was ever whole."""
    of = replace(cluster(LONE, status=existing(0) | {"head": seen}), annotations=NO_RESTART, labels=SIDECAR)
    pods = [] if ended is None else [head(of, end=ray_ended(), **ended)]
    assert bool(heads_of(plan(snapshot(of, pods)))) is again


@pytest.mark.parametrize("value", ["false", ""])
def test_a_head_is_replaced_if_that_option_is_off(value: str) -> None:
    """It is replaced as in any cluster."""
    of = replace(
        cluster(LONE, status=existing(0) | PROVISIONED), annotations=dict.fromkeys(NO_RESTART, value)
    )
    assert heads_of(plan(snapshot(of)))
