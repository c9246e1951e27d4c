"""Pods that were set aside and replaced, as earlier releases did: nothing is deleted for them."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.names import NodeType
from rayfleet.kinds.raycluster.healing.endings import Endings
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.plan import Plan, plan
from rayfleet.kube.objects.pods import Host, Pod
from rayfleet.kube.objects.roots import Root
from support.builders import NOW, cluster, group, head, parsed, ray_ended, snapshot, spec, worker

ASIDE = {"node_type": "aside"}


def planned(of: Root, *pods: Pod) -> Plan:
    return plan(snapshot(of, tuple(identified(of, parsed(of.spec), pods))))


def names(of: Plan) -> list[str]:
    return [delete.name for delete in of.deletes]


def host(of: Root, n: int, replica: int, index: int, **changes: Any) -> Pod:
    return replace(worker(of, n), host=Host(f"demo-gpu-{n - index}", replica, index), **changes)


def test_the_replacement_of_a_worker_that_was_set_aside_stays() -> None:
    of = cluster(spec(group("gpu", 1)))
    made = planned(of, head(of), worker(of, 1, **ASIDE), worker(of, 2))
    assert made.actions == ()
    (wait,) = made.waits
    assert worker(of, 1).name in wait
    assert "restore the labels" in wait


def test_a_head_that_was_set_aside_and_replaced_stays() -> None:
    of = cluster(spec(group("gpu", 0)), status={"headEpoch": 1})
    made = planned(of, head(of, epoch=0, **ASIDE), head(of, epoch=1))
    assert made.actions == ()
    assert head(of, epoch=0).name in made.waits[0]


def test_a_head_that_serves_is_not_deleted_for_a_newer_one_that_was_set_aside() -> None:
    of = cluster(spec(group("gpu", 0)), status={"headEpoch": 1})
    assert planned(of, head(of, epoch=0), head(of, epoch=1, **ASIDE)).actions == ()


def test_the_older_of_two_serving_heads_goes() -> None:
    of = cluster(spec(group("gpu", 0)), status={"headEpoch": 2})
    made = planned(of, head(of, epoch=0, **ASIDE), head(of, epoch=1), head(of, epoch=2))
    assert names(made) == [head(of, epoch=1).name]


@pytest.mark.parametrize("changes", [ASIDE, {"group": "cpu"}, {"node_type": NodeType.HEAD}], ids=str)
def test_no_worker_is_made_in_place_of_one_that_was_set_aside(changes: dict[str, Any]) -> None:
    of = cluster(spec(group("gpu", 2), group("cpu", 0)), status={"headEpoch": 0})
    assert planned(of, head(of), worker(of, 1, **changes), worker(of, 2)).actions == ()


def test_a_smaller_group_loses_serving_workers_and_keeps_the_one_set_aside() -> None:
    of = cluster(spec(group("gpu", 1)))
    made = planned(of, head(of), worker(of, 1, **ASIDE), worker(of, 2), worker(of, 3))
    assert names(made) == [worker(of, 3).name]


def test_a_worker_set_aside_stays_when_its_group_goes() -> None:
    of = cluster(spec(group("gpu", 0)))
    made = planned(of, head(of), worker(of, 1, group_name="old", **ASIDE), worker(of, 2, group_name="old"))
    assert names(made) == [worker(of, 2, group_name="old").name]


def test_a_worker_set_aside_goes_when_workers_to_delete_names_it() -> None:
    named = {"workersToDelete": [worker(cluster(), 1).name]}
    of = cluster(spec({**group("gpu", 1), "scaleStrategy": named}))
    made = planned(of, head(of), worker(of, 1, **ASIDE), worker(of, 2))
    assert names(made) == [worker(of, 1).name]


def test_the_rest_of_a_replaced_replica_stays() -> None:
    """An earlier release did not see the host that was set aside, and recreated its replica."""
    stored = {"workerGroups": [{"groupName": "gpu", "lastIndex": 4}]}
    of = cluster(spec({**group("gpu", 1), "numOfHosts": 2}), status=stored)
    pods = [host(of, 1, 0, 0, **ASIDE), host(of, 3, 1, 0), host(of, 4, 1, 1)]
    assert planned(of, head(of), *pods).deletes == ()


def test_a_whole_replica_with_a_host_set_aside_is_neither_duplicated_nor_deleted() -> None:
    stored = {"workerGroups": [{"groupName": "gpu", "lastIndex": 2}]}
    of = cluster(spec({**group("gpu", 1), "numOfHosts": 2}), status=stored)
    made = planned(of, head(of), host(of, 1, 0, 0, **ASIDE), host(of, 2, 0, 1))
    assert made.deletes == ()
    assert made.stages == planned(of, head(of), host(of, 1, 0, 0), host(of, 2, 0, 1)).stages


@pytest.mark.parametrize("most", [1, 2])
def test_a_scaled_group_keeps_its_workers_beside_one_that_was_set_aside(most: int) -> None:
    """It keeps them even above its maximum."""
    stored = {"workerGroups": [{"groupName": "gpu", "desired": 1, "observedReplicas": 1, "lastIndex": 2}]}
    limits = {**group("gpu", 1), "minReplicas": 1, "maxReplicas": most}
    of = cluster(spec(limits, enableInTreeAutoscaling=True), status=stored)
    made = planned(of, head(of), worker(of, 1, **ASIDE), worker(of, 2))
    assert made.deletes == ()
    assert made.drains == ()


def test_one_that_was_set_aside_and_has_ended_is_replaced_as_any_other() -> None:
    of = cluster(spec(group("gpu", 1)))
    over = worker(of, 1, phase="Failed", created=0.0, **ASIDE)
    assert names(planned(of, head(of), over)) == [over.name]
    assert planned(of, head(of), over, worker(of, 2)).actions == ()


def test_one_that_was_set_aside_and_has_ended_wakes_nobody() -> None:
    """It may stay for days beside its replacement."""
    of, endings = cluster(spec(group("gpu", 1))), Endings()
    failed = worker(of, 1, phase="Failed", end=ray_ended(ran=1.0), **ASIDE)
    pods = list(identified(of, parsed(of.spec), [failed, worker(of, 2)]))
    for now in (NOW, NOW + 60, NOW + 120):
        endings.see(pods, now)
        assert list(endings.looks(now)) == []
