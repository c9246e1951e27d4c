"""What can happen to a simulated job, each by its name."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from support.job_cluster import LiveCluster
from support.job_view import answer, ask
from support.job_world import World, job_spec

Step: TypeAlias = Callable[[World], object]
NONSENSE: Final = {"entrypointNumCpus": "many"}
MENDED: Final = {"entrypointNumCpus": 1}
USERS_JOB: Final = "users-job"


def delete_cluster(world: World) -> None:
    """Somebody deletes the cluster."""
    for cluster in world.clusters.values():
        cluster.deleting = True


def delete_submitter(world: World) -> None:
    if world.submitter is not None:
        world.submitter = replace(world.submitter, deleting=True)


def let_head_leave(world: World) -> None:
    for cluster in world.clusters.values():
        cluster.leaving = cluster.head


def answer_late(world: World) -> None:
    world.now += 5
    answer(world)


def suspend(world: World) -> None:
    if world.spec.get("shutdownAfterJobFinishes") and "rayClusterSpec" in world.spec:
        world.edit(suspend=True)


def name_the_job(world: World) -> None:
    if world.spec["submissionMode"] == "InteractiveMode":
        world.edit(jobId=USERS_JOB)


def see_all(world: World) -> None:
    """A pass with caches that are up to date, and a fresh answer."""
    world.sync()
    world.poll()
    world.one_pass()


def say(status: str, **fields: Any) -> Step:
    return lambda world: world.say(status, **fields)


def wait(seconds: float) -> Step:
    def waits(world: World) -> None:
        world.now += seconds

    return waits


def become(**fields: Any) -> Step:
    def becomes(world: World) -> None:
        for name, value in fields.items():
            setattr(world, name, value)

    return becomes


def edit(**fields: Any) -> Step:
    return lambda world: world.edit(**fields)


def dies_after(writes: int) -> Step:
    return lambda world: world.one_pass(die_after=writes)


STEPS: Final[Mapping[str, Step]] = {
    "a pass": see_all,
    "a pass by what the caches had": World.one_pass,
    "dies before its first write": dies_after(0),
    "dies after a write": dies_after(1),
    "dies after two writes": dies_after(2),
    "another process leads": World.restart,
    "the caches hear of it": World.sync,
    "Ray is asked": World.poll,
    "a question is sent": ask,
    "an answer arrives late": answer_late,
    "pods are ready": World.make_ready,
    "the head is lost": World.lose_head,
    "the head is being deleted": let_head_leave,
    "Ray is restarted": World.forget,
    "the cluster is deleted": delete_cluster,
    "what goes is gone": World.finish_going,
    "the submitter submits": World.run_submitter,
    "the submitter completes": World.end_submitter,
    "the submitter fails": lambda world: world.end_submitter(failed=True, reason="BackoffLimitExceeded"),
    "the submitter is deleted": delete_submitter,
    "no route": become(is_reachable=False),
    "a route": become(is_reachable=True),
    "answers are lost": become(loses_answers=True),
    "answers arrive": become(loses_answers=False),
    "creates are not heard of": become(hides_creates=True),
    "creates are heard of": become(hides_creates=False),
    "Ray refuses": become(refusal="runtime_env is not valid"),
    "running": say("RUNNING"),
    "succeeded": say("SUCCEEDED"),
    "failed": say("FAILED", message="Traceback", driver_exit_code=1),
    "failed by its GPU": say("FAILED", message="uncorrectable ECC error"),
    "stopped": say("STOPPED"),
    "a second": wait(1),
    "some seconds": wait(15),
    "minutes": wait(130),
    "a long time": wait(1000),
    "the clock is put back": wait(-40),
    "suspended": suspend,
    "resumed": edit(suspend=False),
    "nonsense": edit(**NONSENSE),
    "mended": edit(**MENDED),
    "the user names the job": name_the_job,
    "deleted": World.delete,
}


def end_trouble(world: World) -> None:
    """Nothing goes wrong any more."""
    world.is_reachable, world.loses_answers, world.refusal = True, False, ""
    world.hides_creates = False
    if not world.gone:
        world.edit(suspend=False, **MENDED)
        name_the_job(world)


def go_on(world: World) -> None:
    """What pods, Ray and the user do without trouble."""
    if "clusterSelector" in world.spec and "shared" not in world.clusters:
        world.clusters["shared"] = shared_cluster("s2")
    world.make_ready()
    world.run_submitter()
    submit_by_hand(world)
    world.say("SUCCEEDED")
    world.finish_going()
    world.poll()


def submit_by_hand(world: World) -> None:
    """In InteractiveMode the user submits the job that the spec names."""
    cluster = world.clusters.get(world.recorded.ray_cluster_name)
    waits = world.state == "Running" and world.recorded.submission.accepted_time is None
    if (
        waits
        and cluster is not None
        and cluster.answers
        and world.spec["submissionMode"] == "InteractiveMode"
    ):
        world.give(world.recorded.job_id, cluster)


def shared_cluster(uid: str = "s1") -> LiveCluster:
    """A cluster that was there before the job."""
    return LiveCluster("shared", uid, job_spec()["rayClusterSpec"], owned=False, ready=True)


def settle(world: World) -> World:
    """Passes until nothing is left to wait for; time passes only as the plans have asked for."""
    end_trouble(world)
    for _ in range(150):
        if world.gone:
            return world
        go_on(world)
        before = world.visible()
        decided = world.one_pass()
        if before != world.visible():
            continue
        if decided.requeue_after is None:
            return world
        world.now += decided.requeue_after
    raise AssertionError(f"does not come to rest: {world.history} {world.status}")
