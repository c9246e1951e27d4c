"""Multi-host groups: replicas are whole or absent, whatever is left of one."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.kinds.raycluster.manifests import worker_pods
from rayfleet.kinds.raycluster.plan import Cause, CreatePod, CreateService, Plan, plan
from rayfleet.kinds.raycluster.plan.limits import limit_creates
from rayfleet.kinds.raycluster.plan.units import last_index
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.roots import Root
from support.builders import (
    NOW,
    changed,
    cluster,
    group,
    head,
    host,
    parsed,
    ray_ended,
    replica,
    snapshot,
    spec,
)

HOSTS = 4


def tpu(replicas: int = 2, **fields: Any) -> dict[str, Any]:
    return group("tpu", replicas=replicas, numOfHosts=HOSTS, **fields)


def decide(of: Root, pods: list[Pod], **fields: Any) -> Plan:
    return plan(snapshot(of, [head(of), *pods], **fields))


def creates(decided: Plan) -> list[CreatePod]:
    return [a for a in decided.actions if isinstance(a, CreatePod) and a.node_type == "worker"]


def made(decided: Plan) -> list[Pod]:
    """The pods of a plan once they exist."""
    serial = {"uid": "u", "resourceVersion": "1", "creationTimestamp": "2027-01-15T08:00:00Z"}
    bodies = [dict(create.body) for create in creates(decided)]
    return [pod_from_object({**body, "metadata": {**body["metadata"], **serial}}) for body in bodies]


def deleted(decided: Plan) -> dict[str, Cause]:
    return {delete.name: delete.cause for delete in decided.deletes}


def recorded(last: int, *groups: dict[str, Any]) -> Root:
    """A cluster whose status knows workers up to `last`."""
    return cluster(
        spec(*(groups or (tpu(),))), status={"workerGroups": [{"groupName": "tpu", "lastIndex": last}]}
    )


def test_a_group_consists_of_whole_replicas_with_names_and_indexes() -> None:
    """Two replicas of four are eight pods, each with its replica and its index."""
    of = cluster(spec(tpu()))
    pods = made(decide(of, []))
    assert [pod.index for pod in pods] == list(range(1, 9))
    places = [pod.host for pod in pods if pod.host]
    assert [(p.replica_index, p.host_index) for p in places] == [(r, h) for r in (0, 1) for h in range(4)]
    assert Counter(place.replica for place in places) == {places[0].replica: 4, places[4].replica: 4}
    assert {pod.group for pod in pods} == {"tpu"}


def test_multi_host_workers_have_a_headless_service() -> None:
    """It is created once, before any pod, and recreated if it is gone; other clusters have none."""
    of = cluster(spec(tpu()))
    services = [a for a in decide(of, []).actions if isinstance(a, CreateService)]
    (made_one,) = services
    body = made_one.body
    assert (made_one.name, body["spec"]["clusterIP"]) == ("demo-headless", "None")
    assert body["spec"]["publishNotReadyAddresses"] is True
    assert body["spec"]["selector"] == {"ray.io/cluster": "demo", "ray.io/node-type": "worker"}
    assert body["metadata"]["labels"]["ray.io/headless-worker-svc"] == "demo"
    plain = cluster()
    assert not any(isinstance(a, CreateService) for a in decide(plain, []).actions)


def test_replicas_that_are_whole_are_left_alone() -> None:
    of = recorded(8)
    decided = plan(snapshot(of, [head(of), *replica(of, 1), *replica(of, 5)], headless=True))
    assert decided.actions == ()


LOST: list[Any] = [
    pytest.param(None, "host 1 is gone", id="gone"),
    pytest.param({"deleting": True}, "host 1 is being deleted", id="going"),
    pytest.param({"end": ray_ended(137)}, "host 1 has ended: exit code 137", id="ended"),
]


@pytest.mark.parametrize(("how", "reason"), LOST)
def test_a_replica_that_lost_a_host_goes_whole_and_is_recreated(
    how: dict[str, Any] | None, reason: str
) -> None:
    """The others go with a reason, and a replica of another name takes its place."""
    of = recorded(8)
    broken, sound = replica(of, 1), replica(of, 5)
    lost = [] if how is None else [replace(broken[1], **how)]
    pods = [broken[0], *lost, *broken[2:], *sound]
    decided = decide(of, pods)
    assert {d.name for d in decided.deletes if d.cause is Cause.BROKEN_REPLICA} == {
        broken[n].name for n in (0, 2, 3)
    }
    assert all(reason in d.reason for d in decided.deletes if d.cause is Cause.BROKEN_REPLICA)
    assert creates(decided) == []

    going = [replace(pod, deleting=True) for pod in pods if pod in broken or pod in lost]
    recreated = made(decide(of, [*going, *sound]))
    assert [pod.index for pod in recreated] == [9, 10, 11, 12]
    # While the old one terminates, its place is taken.
    assert {pod.host.replica_index for pod in recreated if pod.host} == {2}
    assert {pod.host.replica_index for pod in made(decide(of, sound)) if pod.host} == {0}


def test_a_replica_whose_hosts_were_never_all_created_is_completed() -> None:
    """The operator was killed between two creates: the names and the replica are the same."""
    of = cluster(spec(tpu(replicas=1)))
    whole = made(decide(of, []))
    first, third = whole[0], whole[2]
    decided = decide(of, [first, third])
    assert made(decided) == [whole[1], whole[3]]
    assert decided.deletes == ()
    assert "2 of 4 hosts were not created" in creates(decided)[0].reason


def test_a_new_replica_does_not_take_the_numbers_that_a_part_still_lacks() -> None:
    """These numbers are reserved for the part."""
    of = cluster(spec(tpu()))
    whole = made(decide(of, []))
    assert sorted(pod.index for pod in made(decide(of, whole[:2]))) == [3, 4, 5, 6, 7, 8]


def test_a_partial_replica_of_another_template_is_recreated() -> None:
    """A replica has one template."""
    old = made(decide(cluster(spec(tpu(replicas=1))), []))[:2]
    changed = cluster(spec(tpu(replicas=1, rayStartParams={"num-cpus": "7"})))
    assert deleted(decide(changed, old)) == {pod.name: Cause.BROKEN_REPLICA for pod in old}


def test_a_partial_replica_waits_while_its_group_is_held() -> None:
    """A quota stopped it: attempts do not delete and recreate pods."""
    of = cluster(spec(tpu(replicas=1)))
    part = made(decide(of, []))[:2]
    decided = decide(of, part, held={"tpu": Hold(NOW + 9, "exceeded quota")}, headless=True)
    assert (decided.actions, decided.waits, decided.requeue_after) == ((), ("exceeded quota",), 9.0)


def test_hosts_that_ended_at_once_are_replaced_after_a_while_with_their_replica() -> None:
    """Its place stays taken meanwhile."""
    of = recorded(4, tpu(replicas=1))
    pods = [replace(pod, created=NOW - 3) for pod in replica(of, 1)]
    pods[2] = replace(pods[2], end=ray_ended())
    decided = decide(of, pods, headless=True)
    assert decided.actions == ()
    assert decided.requeue_after == pytest.approx(7.0)


def test_scale_down_takes_whole_replicas_parts_first_then_pending_then_the_newest() -> None:
    of = recorded(12, tpu(replicas=1))
    old, new = replica(of, 1), replica(of, 9)
    pending = [*replica(of, 5)[:3], changed(replica(of, 5)[3], phase="Pending", ready=False)]
    decided = decide(of, [*old, *pending, *new])
    assert deleted(decided) == {pod.name: Cause.SURPLUS for pod in (*pending, *new)}
    two = decide(recorded(12, tpu(replicas=2)), [*old, *pending, *new])
    assert set(deleted(two)) == {pod.name for pod in pending}
    assert all("3 replicas, 2 wanted" in delete.reason for delete in two.deletes)


def test_a_host_in_workers_to_delete_removes_its_whole_replica() -> None:
    """With replicas lowered nothing replaces it."""
    of = recorded(8)
    first, second = replica(of, 1), replica(of, 5)
    named = {"workersToDelete": [second[1].name, second[2].name]}
    decided = decide(recorded(8, tpu(replicas=1, scaleStrategy=named)), [*first, *second])
    assert deleted(decided) == {pod.name: Cause.REQUESTED for pod in second}
    assert creates(decided) == []


def test_pods_of_no_replica_and_replicas_of_another_size_go() -> None:
    """`numOfHosts` was changed from one, or from eight."""
    of = recorded(8, tpu(replicas=1))
    stray = replace(replica(of, 1)[0], host=None)
    large = [host(of, n, n - 1, first=1) for n in range(1, 9)]
    assert deleted(decide(of, [stray])) == {stray.name: Cause.BROKEN_REPLICA}
    assert len(deleted(decide(of, large))) == 8


def test_the_highest_recorded_index_counts_whole_replicas_only() -> None:
    """Higher indexes were never part of one, and may be completed."""
    of = recorded(4)
    model = parsed(of.spec).worker_group_specs[0]
    assert last_index(snapshot(of), model, [*replica(of, 1), *replica(of, 5)[:3]]) == 4
    assert last_index(snapshot(of), model, [*replica(of, 1), *replica(of, 5)]) == 8


def test_a_refused_template_creates_nothing_and_deletes_nothing() -> None:
    of = cluster(spec(tpu()))
    model = parsed(of.spec)
    refused = {worker_pods(of, model, model.worker_group_specs[0]).template_hash: "no such field"}
    decided = decide(of, [], refused=refused, headless=True)
    assert (decided.actions, decided.waits) == ((), ("no such field",))


def test_a_pass_never_cuts_a_replica() -> None:
    """Within two hundred pods a pass, 33 replicas of six are 198; a larger replica is made alone."""
    of = cluster(spec(group("tpu", replicas=50, maxReplicas=50, numOfHosts=6)))
    counts = Counter(create.replica for create in creates(decide(of, [])))
    assert set(counts.values()) == {6}
    assert len(counts) == 33
    large = cluster(spec(group("tpu", replicas=2, numOfHosts=300)))
    decided = decide(large, [])
    assert len(creates(decided)) == 300
    assert limit_creates(decided, most=300) is decided


def test_a_pass_deletes_replicas_whole_or_leaves_them_for_the_next() -> None:
    """Within fifty pods a pass, eight replicas of six are 48."""
    many = 20
    of = cluster(spec(group("tpu", replicas=0, maxReplicas=many, numOfHosts=6)))
    pods = [pod for n in range(many) for pod in replica(of, 1 + 6 * n, hosts=6)]
    decided = decide(of, pods, headless=True)
    counts = Counter(delete.replica for delete in decided.deletes)
    assert set(counts.values()) == {6}
    assert len(counts) == 8
    going = {delete.name for delete in decided.deletes}
    after = decide(of, [replace(pod, deleting=pod.name in going) for pod in pods], headless=True)
    assert len({delete.replica for delete in after.deletes} - set(counts)) == 8
