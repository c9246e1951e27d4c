"""The GPU time of a job: of all its attempts, whoever counted, and only what it held itself."""

from msgspec.structs import replace

from rayfleet.api.rayjob.status import RayJobStatus
from rayfleet.engine.statuses import status_patch
from rayfleet.kinds.rayjob.memory import JobMemory
from support.builders import NOW, group
from support.builders import spec as cluster_spec
from support.job_cluster import pod_of
from support.job_scenes import on_a_selected_cluster, ran
from support.job_trouble import see_all, shared_cluster
from support.job_world import World


def counted(world: World) -> float:
    """What the status says once the job has succeeded."""
    world.say("SUCCEEDED")
    world.passes()
    return world.recorded.gpu_seconds or 0.0


def test_three_gpus_for_a_hundred_seconds() -> None:
    world = ran()
    world.now += 100
    assert counted(world) == 300
    assert world.status["gpuSecondsTime"] == world.status["endTime"]


def test_what_is_held_after_the_end_is_another_matter() -> None:
    world = ran()
    assert counted(world) == 0
    world.now += 3600
    world.edit(ttlSecondsAfterFinished=0)
    assert (world.passes().recorded.gpu_seconds or 0) == 0


def test_a_restart_loses_nothing() -> None:
    """Pods that are there have been held since the last count, or since they were created."""
    world = ran()
    world.now += 100
    see_all(world)
    world.restart()
    world.now += 100
    see_all(world)
    world.restart()
    world.now += 100
    assert counted(world) == 900


def test_time_that_was_written_down_is_not_counted_twice() -> None:
    world = ran()
    world.now += 100
    world.edit(backoffLimit=1)
    world.passes()
    assert world.recorded.gpu_seconds == 300
    world.restart()
    world.now += 100
    assert counted(world) == 600


def test_each_attempt_adds_its_own() -> None:
    world = ran(backoffLimit=1)
    world.now += 100
    world.say("FAILED")
    world.passes()
    assert world.recorded.gpu_seconds == 300
    world.now += 1000
    world.make_ready()
    world.passes()
    world.now += 50
    assert counted(world) == 450


def test_a_suspended_job_holds_nothing() -> None:
    world = ran(shutdownAfterJobFinishes=True)
    world.now += 100
    world.edit(suspend=True)
    world.passes()
    world.now += 3600
    world.edit(suspend=False)
    world.passes()
    world.make_ready()
    world.passes()
    world.now += 10
    assert counted(world) == 330


def test_a_selected_cluster_is_not_the_jobs() -> None:
    world = on_a_selected_cluster().passes()
    world.now += 100
    assert counted(world) == 0
    assert "gpuSeconds" not in world.status


def test_counting_alone_writes_nothing() -> None:
    world = ran()
    before = dict(world.status)
    for _ in range(60):
        world.now += 60
        see_all(world)
    assert status_patch(before, world.status) == {}


def test_workers_count_while_they_are_there() -> None:
    world = ran(rayClusterSpec=cluster_spec(group("gpu", 4)))
    world.now += 100
    see_all(world)
    world.cluster.spec = cluster_spec(group("gpu", 1))
    see_all(world)
    world.now += 100
    assert counted(world) == 500


# Pods, and the clock


def measured(memory: JobMemory, at: float, gpus: int, *, is_clock_set: bool = False) -> float:
    pod = pod_of(shared_cluster(), "w-1", "worker", "gpu", gpus=gpus, created=NOW)
    status = RayJobStatus(start_time="2027-01-15T08:00:00Z")
    memory.measure(status, [pod] if gpus else [], NOW + at, is_clock_set=is_clock_set)
    assert memory.meter is not None
    return memory.meter.gpu_seconds


def test_a_clock_that_is_set_adds_nothing_and_takes_nothing() -> None:
    memory = JobMemory()
    measured(memory, 0, 8)
    assert measured(memory, 10, 8) == 80
    assert measured(memory, 100_000, 8, is_clock_set=True) == 80
    assert measured(memory, 20, 8) == 80
    assert measured(memory, 30, 8) == 160


def test_a_pod_without_a_node_and_a_pod_that_is_over_hold_nothing() -> None:
    pod = pod_of(shared_cluster(), "w-1", "worker", "gpu", gpus=8)
    for changed in (replace(pod, node_name="", phase="Pending"), replace(pod, phase="Succeeded")):
        memory = JobMemory()
        memory.measure(RayJobStatus(), [changed], NOW, is_clock_set=False)
        memory.measure(RayJobStatus(), [changed], NOW + 10, is_clock_set=False)
        assert memory.meter is not None
        assert memory.meter.gpu_seconds == 0
