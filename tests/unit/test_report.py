"""The reports to users after a pass: at once, later, or not at all."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from rayfleet.engine.memory import Remembered
from rayfleet.engine.outcome import Outcome
from rayfleet.kinds.raycluster.plan import Plan, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.ray.state import Demand, Shape
from support.builders import NOW, UID, group, head, parsed, service, snapshot, spec, worker
from support.kept_cluster import Reporting, reporting
from support.queued_clusters import node, scaled, view

QUEUED = scaled().spec


def seen(of: Reporting, *names: str, workers: int = 0, ready: bool = True) -> Snapshot:
    """The cluster, whose head reports tasks that wait for resources of these names."""
    cluster = of.api.cluster
    pods = [head(cluster), *(worker(cluster, n + 1, ready=ready) for n in range(workers))]
    demands = (Demand(Shape(((name, 1.0),), ()), 1) for name in names)
    follows = parsed(cluster.spec).enable_in_tree_autoscaling
    scaling: dict[str, Any] = {"scaling": view([node(pod) for pod in pods], *demands)} if follows else {}
    return replace(snapshot(cluster, pods, now=NOW + of.clock.now, **scaling), services=(service(cluster),))


async def passed(
    of: Reporting, memory: Remembered[Any], now: Snapshot, outcomes: Sequence[Outcome] = (), **changed: Any
) -> Plan:
    """A pass that only reports; its writes are in the cache afterwards."""
    decided = replace(plan(now), **changed)
    await of.report(now, decided, memory, outcomes)
    return decided


async def test_a_status_is_written_only_to_the_version_that_was_read() -> None:
    """Otherwise an old view could overwrite another operator's status."""
    async with reporting(spec(group(replicas=0))) as of:
        stale = seen(of)
        of.api.write()
        failure = await of.report(stale, plan(stale))
        assert failure is not None
        assert (failure.status, of.api.refusals, of.api.statuses) == (409, 1, [])
        of.api.object["metadata"]["uid"] = "another"
        fresh = replace(seen(of), cluster=replace(of.api.cluster, uid=UID))
        assert await of.report(fresh, plan(fresh))
        assert of.api.statuses == []


async def test_after_a_conflict_the_object_is_read_again() -> None:
    """So the next pass is about the current object."""
    async with reporting(spec(group(replicas=0))) as of:
        stale = seen(of)
        of.api.write()
        await of.report(stale, plan(stale))
        cached = of.clusters.get(of.api.cluster.key)
        assert cached is not None
        assert cached.resource_version == of.api.cluster.resource_version


async def test_a_steady_cluster_is_written_once() -> None:
    async with reporting(QUEUED) as of:
        memory = Remembered(UID, None)
        for _ in range(20):
            await passed(of, memory, seen(of))
            of.clock.now += 10
        assert len(of.api.statuses) == 1


async def test_a_stream_of_new_names_costs_ten_writes_and_then_one_in_thirty_seconds() -> None:
    """Statuses and events are counted together, whatever new names a head reports each second."""
    async with reporting(QUEUED) as of:
        memory = Remembered(UID, None)
        await passed(of, memory, seen(of))
        first = len(of.api.statuses)
        for second in range(300):
            await passed(of, memory, seen(of, f"name-{second}", f"other-{second}"))
            of.clock.now += 1
        written = len(of.api.statuses) - first + len(of.api.events)
        assert 15 <= written <= 10 + 300 / 30
        assert len(of.api.statuses) - first >= 5
        assert len(of.api.events) >= 5
        assert "more of this kind before" in of.api.events[-1]["note"]


async def test_the_last_answer_of_a_head_is_reported_when_it_is_due() -> None:
    """A pass is due then, and afterwards nothing waits."""
    async with reporting(QUEUED) as of:
        memory = Remembered(UID, None)
        for number in range(40):
            await passed(of, memory, seen(of, f"name-{number}"))
        for _ in range(10):
            due = memory.report_due(of.clock.now)
            if due is None:
                break
            assert of.clock.now < due <= of.clock.now + 30
            of.clock.now = due
            await passed(of, memory, seen(of, "name-39"))
        assert memory.report_due(of.clock.now) is None
        (entry,) = of.api.cluster.status["autoscaler"]["unserved"]
        assert "name-39" in entry["resources"]
        assert "name-39" in of.api.events[-1]["note"]


async def test_a_noisy_head_does_not_delay_reports_of_the_users_changes() -> None:
    """A new spec is reported at once, together with the head's current demand."""
    async with reporting(QUEUED) as of:
        memory = Remembered(UID, None)
        for number in range(40):
            await passed(of, memory, seen(of, f"name-{number}"))
        before = len(of.api.statuses)
        of.api.object["metadata"]["generation"] = 2
        await passed(of, memory, seen(of, "name-40"))
        assert len(of.api.statuses) == before + 1
        assert of.api.cluster.status["observedGeneration"] == 2
        assert "name-40" in of.api.cluster.status["autoscaler"]["summary"]


async def test_a_noisy_head_delays_reports_of_its_pods_by_ten_seconds_at_most() -> None:
    """Otherwise changes of pods are reported as for any cluster."""
    async with reporting(QUEUED) as of:
        memory = Remembered(UID, None)
        for number in range(40):
            await passed(of, memory, seen(of, f"name-{number}"))
        for second in range(11):
            await passed(of, memory, seen(of, f"later-{second}", workers=2))
            of.clock.now += 1
        assert of.api.cluster.status["readyWorkerReplicas"] == 2


async def test_pods_of_a_cluster_without_a_queue_take_no_tokens() -> None:
    """Each change of their readiness is reported."""
    async with reporting(spec(group(replicas=2))) as of:
        memory = Remembered(UID, None)
        for number in range(60):
            await passed(of, memory, seen(of, workers=2, ready=bool(number % 2)))
        assert len(of.api.statuses) >= 30


async def test_late_reports_are_merged_into_one() -> None:
    """It is one step from the last reported size to the current one."""
    async with reporting(QUEUED) as of:
        memory = Remembered(UID, None)
        for number in range(40):
            await passed(of, memory, seen(of, f"name-{number}"))
        before = len(of.api.events)
        for tasks in (1, 2, 3):
            await passed(of, memory, seen(of, *["GPU"] * tasks))
        assert len(of.api.events) == before
        for _ in range(3):
            of.clock.now += 30
            await passed(of, memory, seen(of, *["GPU"] * 3))
        steps = [event["note"] for event in of.api.events if event["reason"] == "ScalingUp"]
        assert [step.partition(" pods")[0] for step in steps] == ["Group gpu: 0 -> 3"]


async def test_withheld_events_of_a_cluster_that_is_no_longer_ours_are_dropped() -> None:
    """Nothing is due for it, so it wakes nobody."""
    async with reporting(QUEUED) as of:
        memory = Remembered(UID, None)
        for number in range(40):
            await passed(of, memory, seen(of, f"name-{number}"))
        of.clock.now += 60
        gone = replace(seen(of), cluster=replace(of.api.cluster, deleting=True))
        await of.report(gone, plan(gone), memory)
        assert memory.report_due(of.clock.now) is None


async def test_a_status_that_could_not_be_written_is_a_failure_without_events() -> None:
    """An event would report a state that nobody can see."""
    async with reporting(QUEUED) as of:
        of.api.failing = frozenset({"PATCH"})
        failure = await of.report(seen(of, "x"), plan(seen(of, "x")))
        assert failure is not None
        assert of.api.events == []
