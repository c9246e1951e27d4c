"""The workers of a group: as many as desired, whoever created them, replaced when they end."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.manifests import worker_pod_name, worker_pods
from rayfleet.kinds.raycluster.plan import Cause, CreatePod, DeletePod, Plan, ResizeGroups, plan
from rayfleet.kinds.raycluster.plan.limits import MOST_DELETES, limit_creates, limit_deletes
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kube.objects.pods import Pod
from support.builders import (
    NOW,
    cluster,
    ended_by_kubelet,
    group,
    head,
    parsed,
    ray_ended,
    snapshot,
    spec,
    worker,
)


def created(decided: Plan) -> list[str]:
    return [a.name for a in decided.actions if isinstance(a, CreatePod) and a.node_type == "worker"]


def deleted(decided: Plan) -> list[tuple[str, Cause]]:
    return [(delete.name, delete.cause) for delete in decided.deletes]


def of_size(replicas: int, indices: list[int], **changes: Any) -> tuple[Plan, list[Pod]]:
    of = cluster(spec(group(replicas=replicas)))
    workers = [worker(of, index, **changes) for index in indices]
    return plan(snapshot(of, [head(of), *workers])), workers


SIZES = [
    pytest.param({"replicas": 3}, 3, id="replicas"),
    pytest.param({"replicas": 0, "minReplicas": 2}, 2, id="raised to min"),
    pytest.param({"replicas": 50, "maxReplicas": 4}, 4, id="lowered to max"),
]


@pytest.mark.parametrize(("fields", "size"), SIZES)
def test_a_group_gets_its_size_clamped_to_min_and_max(fields: dict[str, Any], size: int) -> None:
    """It gets them in one pass, with n from 1."""
    of = cluster(spec(group(**fields)))
    decided = plan(snapshot(of, [head(of)]))
    assert created(decided) == [worker_pod_name(of, "gpu", n) for n in range(1, size + 1)]


def places(decided: Plan) -> list[str]:
    creates = [a for a in decided.actions if isinstance(a, CreatePod) and a.node_type == "worker"]
    return [a.body["metadata"]["labels"]["ray.io/worker-group-replica-index"] for a in creates]


def test_every_worker_has_the_number_of_its_replica() -> None:
    """It is the lowest number that no pod of the group has, including terminating ones."""
    of = cluster(spec(group(replicas=5)))
    there = [worker(of, 1, place=0), worker(of, 2, place=2), worker(of, 3, place=3, deleting=True)]
    assert places(plan(snapshot(of, [head(of)]))) == ["0", "1", "2", "3", "4"]
    assert places(plan(snapshot(of, [head(of), *there]))) == ["1", "4", "5"]


def test_workers_of_an_earlier_release_stay_without_the_new_label() -> None:
    """They have no such label and another hash: only new pods have it."""
    decided, _ = of_size(3, [1, 2, 3], place=None, template_hash="of an earlier release")
    assert decided.actions == ()
    decided, _ = of_size(3, [1, 2], place=None, template_hash="of an earlier release")
    assert (deleted(decided), places(decided)) == ([], ["0"])


def test_the_number_of_a_replica_is_not_part_of_the_templates_hash() -> None:
    """Otherwise each pod would have its own hash."""
    of = cluster()
    factory = worker_pods(of, parsed(of.spec), parsed(of.spec).worker_group_specs[0])
    first, second = factory.named(1, 0), factory.named(2, 1)
    hashes = {body["metadata"]["annotations"]["rayfleet.io/template-hash"] for body in (first, second)}
    assert hashes == {factory.template_hash}
    assert first["spec"] is second["spec"]


def test_workers_are_created_after_the_head() -> None:
    """They have a later stage: without a head they would only hold GPUs and wait."""
    of = cluster()
    stages = [[type(a).__name__ for a in stage] for stage in plan(snapshot(of, with_service=False)).stages]
    assert stages == [["CreateService", "CreatePod"], ["CreatePod"] * 3]


def test_a_group_at_its_size_is_left_alone() -> None:
    """A pod that starts counts, too."""
    decided, _ = of_size(3, [1, 2, 3], ready=False, phase="Pending")
    assert decided.actions == ()


def test_a_pod_that_is_gone_is_replaced_under_a_new_name() -> None:
    """n is never reused, so nobody confuses the new pod with the old one."""
    of = cluster()
    pods = [head(of), worker(of, 1), worker(of, 3)]
    assert created(plan(snapshot(of, pods))) == [worker_pod_name(of, "gpu", 4)]


def test_the_highest_index_is_remembered_when_its_pod_is_gone() -> None:
    """The status has it."""
    of = cluster(spec(group(replicas=1)), status={"workerGroups": [{"groupName": "gpu", "lastIndex": 7}]})
    assert created(plan(snapshot(of, [head(of)]))) == [worker_pod_name(of, "gpu", 8)]


ENDED = [
    pytest.param({"end": ray_ended(137)}, id="killed"),
    pytest.param({"phase": "Failed", "end": ended_by_kubelet("Evicted")}, id="evicted"),
    pytest.param({"phase": "Succeeded"}, id="exited"),
]


@pytest.mark.parametrize("how", ENDED)
def test_a_pod_that_ended_is_deleted_and_replaced_in_one_pass(how: dict[str, Any]) -> None:
    """Its place is free at once."""
    of = cluster()
    dead = worker(of, 2, **how)
    decided = plan(snapshot(of, [head(of), worker(of, 1), dead, worker(of, 3)]))
    assert created(decided) == [worker_pod_name(of, "gpu", 4)]
    assert deleted(decided) == [(dead.name, Cause.ENDED)]


def test_a_pod_that_ended_at_once_is_replaced_ten_seconds_after_its_creation() -> None:
    """Its place stays taken meanwhile."""
    of = cluster(spec(group(replicas=1)))
    decided = plan(snapshot(of, [head(of), worker(of, 1, end=ray_ended(), created=NOW - 3)]))
    assert decided.actions == ()
    assert decided.requeue_after == pytest.approx(7.0)


def test_a_pod_that_is_being_deleted_is_replaced_at_once() -> None:
    """The group should not lack it until it is gone."""
    of = cluster(spec(group(replicas=1)))
    assert len(created(plan(snapshot(of, [head(of), worker(of, 1, deleting=True)])))) == 1


def test_scale_down_takes_pending_pods_first_then_the_newest() -> None:
    """Five, two of them pending, become two: the two oldest that run stay."""
    of = cluster(spec(group(replicas=2)))
    running = [worker(of, n) for n in (1, 2, 3)]
    pending = [worker(of, n, phase="Pending", ready=False) for n in (4, 5)]
    decided = plan(snapshot(of, [head(of), *running, *pending]))
    assert deleted(decided) == [(pod.name, Cause.SURPLUS) for pod in (pending[1], pending[0], running[2])]


def test_scale_down_does_not_count_terminating_pods() -> None:
    """One of four pods is terminating, and two are desired: one more goes, not two."""
    of = cluster(spec(group(replicas=2)))
    workers = [worker(of, 1, deleting=True), *(worker(of, n) for n in (2, 3, 4))]
    assert [name for name, _ in deleted(plan(snapshot(of, [head(of), *workers])))] == [workers[3].name]


def test_workers_to_delete_go_and_the_group_keeps_its_size() -> None:
    """With replicas lowered by the same number nothing is created; otherwise they are replaced."""
    of = cluster()
    victim = worker(of, 2)
    pods = [head(of), worker(of, 1), victim, worker(of, 3)]
    for replicas, replacements in ((2, 0), (3, 1)):
        fields = spec(group(replicas=replicas, scaleStrategy={"workersToDelete": [victim.name]}))
        decided = plan(snapshot(cluster(fields), pods))
        assert deleted(decided) == [(victim.name, Cause.REQUESTED)]
        assert len(created(decided)) == replacements


def test_a_name_in_workers_to_delete_that_is_not_a_worker_of_the_group_is_ignored() -> None:
    """It may be another group's worker, the head, or a foreign pod."""
    of = cluster()
    names = [head(of).name, "somebody-elses-pod", worker(of, 1, group_name="cpu").name]
    fields = spec(group(scaleStrategy={"workersToDelete": names}), group("cpu", replicas=1))
    pods = [head(of), *(worker(of, n) for n in (1, 2, 3)), worker(of, 1, group_name="cpu")]
    assert plan(snapshot(cluster(fields), pods)).actions == ()


def test_pods_of_a_group_that_was_removed_go_and_those_of_others_stay() -> None:
    """Pods that have not started go, too."""
    of = cluster(spec(group("cpu", replicas=1)))
    gone = [worker(of, 1), worker(of, 2, phase="Pending")]
    decided = plan(snapshot(of, [head(of), worker(of, 1, group_name="cpu"), *gone]))
    assert decided.actions == decided.deletes
    assert deleted(decided) == [(pod.name, Cause.GROUP_REMOVED) for pod in gone]


def test_a_refused_template_stops_its_own_group_only() -> None:
    """The other group goes on."""
    of = cluster(spec(group("bad", replicas=2), group("good", replicas=1)))
    model = parsed(of.spec)
    refused = {worker_pods(of, model, model.worker_group_specs[0]).template_hash: "no such field"}
    decided = plan(snapshot(of, [head(of)], refused=refused))
    # Equal templates of two groups still differ by their labels.
    assert created(decided) == [worker_pod_name(of, "good", 1)]
    assert decided.waits == ("no such field",)


def test_a_held_group_waits_while_the_other_goes_on() -> None:
    """A quota stops one group, not the cluster."""
    of = cluster(spec(group("full", replicas=2), group("free", replicas=1)))
    decided = plan(snapshot(of, [head(of)], held={"full": Hold(NOW + 3, "exceeded quota")}))
    assert created(decided) == [worker_pod_name(of, "free", 1)]
    assert (decided.waits, decided.requeue_after) == (("exceeded quota",), 3.0)


def test_an_expired_hold_holds_nothing() -> None:
    """The next attempt is made."""
    of = cluster(spec(group(replicas=1)))
    assert len(created(plan(snapshot(of, [head(of)], held={"gpu": Hold(NOW, "exceeded quota")})))) == 1


def test_one_pass_creates_two_hundred_pods_and_the_next_the_rest() -> None:
    """So a changed spec is noticed soon."""
    of = cluster(spec(group(replicas=300, maxReplicas=1000)))
    first = created(plan(snapshot(of, [head(of)])))
    assert len(first) == 200
    there = [worker(of, index) for index in range(1, 201)]
    assert {pod.name for pod in there} == set(first)
    assert len(created(plan(snapshot(of, [head(of), *there])))) == 100


def test_a_plan_within_the_limit_is_not_changed() -> None:
    """Its time of the next pass stays, too."""
    decided, _ = of_size(3, [])
    assert limit_creates(decided, most=3) is decided


def test_an_absurd_size_costs_a_pass_no_more_than_a_normal_one() -> None:
    """A typo in one cluster must not delay all others."""
    of = cluster(spec(group(replicas=2_000_000_000, maxReplicas=2_147_483_647)))
    assert len(created(plan(snapshot(of, [head(of)])))) == 200


WITHOUT_HEAD = [
    pytest.param([], {"held": {"headgroup": Hold(NOW + 9, "exceeded quota")}}, id="the head is held"),
    pytest.param([{"end": ray_ended(), "created": NOW - 2}], {}, id="the head has just ended"),
]


@pytest.mark.parametrize(("heads", "fields"), WITHOUT_HEAD)
def test_without_a_head_no_worker_is_created(heads: list[dict[str, Any]], fields: dict[str, Any]) -> None:
    """Workers would only wait, on GPUs that others could use."""
    of = cluster()
    assert created(plan(snapshot(of, [head(of, **how) for how in heads], **fields))) == []


def test_a_pass_deletes_no_more_than_can_be_stopped_in_time() -> None:
    """After a slip to `replicas: 0` most pods are left when the next pass reads the spec: at once."""
    decided, workers = of_size(0, list(range(1, 4 * MOST_DELETES)))
    assert len(decided.deletes) == MOST_DELETES
    assert {delete.uid for delete in decided.deletes} <= {pod.uid for pod in workers}
    few, _ = of_size(0, list(range(1, MOST_DELETES + 1)))
    assert len(few.deletes) == MOST_DELETES


def test_pods_that_are_still_to_be_deleted_are_not_replaced() -> None:
    """A replacement would exceed the group's size; another group gets its pods at once."""
    many = 2 * MOST_DELETES
    of = cluster(spec(group(replicas=many, maxReplicas=many), group("cpu", replicas=1)))
    workers = [worker(of, index) for index in range(1, many + 1)]
    named = {"workersToDelete": [pod.name for pod in workers]}
    of = cluster(spec(group(replicas=many, maxReplicas=many, scaleStrategy=named), group("cpu", replicas=1)))
    decided = plan(snapshot(of, [head(of), *workers]))
    assert len(decided.deletes) == MOST_DELETES
    assert created(decided) == [worker_pod_name(of, "cpu", 1)]


def test_pods_that_have_ended_are_replaced_though_not_all_of_them_are_deleted_at_once() -> None:
    many = MOST_DELETES + 10
    of = cluster(spec(group(replicas=many, maxReplicas=many)))
    workers = [worker(of, index, phase="Failed", end=ray_ended()) for index in range(1, many + 1)]
    decided = plan(snapshot(of, [head(of), *workers]))
    assert (len(decided.deletes), len(created(decided))) == (MOST_DELETES, many)


def test_smaller_sizes_are_written_only_after_their_pods_are_gone() -> None:
    """So a quota that counts `replicas` never counts too little."""
    deletes = tuple(DeletePod("worker", "gpu", f"p{n}", f"u{n}", Cause.IDLE, "idle") for n in range(3))
    decided = Plan(deletes=deletes, resize=ResizeGroups((), "smaller"))
    assert limit_deletes(decided, most=3) is decided
    assert limit_deletes(decided, most=2).resize is None
