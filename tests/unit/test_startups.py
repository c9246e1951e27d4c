"""How long workers take, from the demand for them to their place in Ray."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.engine.outcome import Failed, Outcome, Succeeded
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.accounts import ClusterAccounts
from rayfleet.kinds.raycluster.plan import Plan, plan
from rayfleet.kinds.raycluster.scaling_view import ScalingView, Sizing
from rayfleet.kinds.raycluster.snapshot import Hold, Snapshot
from rayfleet.kube.client.calls import Durations
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import Demand, NodeStatus
from support.builders import NOW, cluster, group, head, snapshot, spec, worker
from support.queued_clusters import GPU_TASK, creates, node, scaled, view

REFUSED = ApiFailure(403, "Forbidden", "exceeded quota")
ARRIVED: Mapping[str, Any] = {"scheduled_after": 2, "pulled_in": 20, "started_after": 30}


class Passes:
    """Passes over one cluster, of which each is told what the API server has answered."""

    def __init__(self, of: Root) -> None:
        self.of = of
        self.accounts = ClusterAccounts()

    def make(self, seen: Snapshot, *, took: float = 0.0, refused: bool = False) -> Plan:
        """One pass, in which creates take so long or are refused."""
        decided = plan(seen)
        outcomes: list[Outcome] = [
            Failed(action, REFUSED) if refused else Succeeded(action) for action in creates(decided)
        ]
        self.accounts.settled(seen, decided, outcomes, seen.now + took)
        return decided

    def seen(self, pods: Iterable[Pod], scaling: ScalingView | None = None, **fields: Any) -> Snapshot:
        around = fields if scaling is None else {"scaling": scaling, **fields}
        return snapshot(self.of, pods, **around)

    @property
    def times(self) -> Mapping[str, tuple[int, float]]:
        """How many workers were recorded, and their seconds together, by phase."""
        all_of = self.accounts.startups.durations.items()
        return {phase: (of.counts[-1], of.total) for phase, of in all_of if of.counts[-1]}


def queue(of: Root, *pods: Pod, tasks: int = 0, wanted: int = 0, taken: float = NOW) -> ScalingView:
    """What the head of a cluster says: the nodes of these pods, and so many tasks."""
    demands = (Demand(GPU_TASK, tasks),) if tasks else ()
    given = view([node(head(of)), *map(node, pods)], *demands, acted_on={"gpu": Sizing(wanted, 0)})
    return replace(given, ray=replace(given.ray, taken=taken))


def test_a_worker_is_timed_from_the_answer_that_shows_the_demand() -> None:
    """Its creation when it is created, the rest when Ray knows its node."""
    of = scaled()
    passes = Passes(of)
    passes.make(passes.seen([head(of)], queue(of, tasks=1, taken=NOW - 1.0)), took=0.5)
    assert passes.times == {"create": (1, 1.5)}
    pod = worker(of, 1, created=NOW, **ARRIVED)
    passes.make(passes.seen([head(of), pod], queue(of, wanted=1, tasks=1), now=NOW + 10))
    assert passes.times == {"create": (1, 1.5)}
    arrived = queue(of, pod, wanted=1, taken=NOW + 34.0)
    for _ in range(2):
        passes.make(passes.seen([head(of), pod], arrived, now=NOW + 35))
    assert passes.times == {
        "create": (1, 1.5),
        "schedule": (1, 2),
        "image": (1, 20),
        "start": (1, 28),
        "join": (1, 4),
        "total": (1, 35),
    }


def test_a_worker_that_could_not_be_created_has_waited_since_then() -> None:
    """Through every pass in which the API server refused it."""
    of = scaled()
    passes = Passes(of)
    for after in (0.0, 5.0, 60.0):
        held = {} if not after else {"gpu": Hold(NOW + after, "exceeded quota")}
        demand = queue(of, tasks=1, wanted=1 if after else 0, taken=NOW + after)
        passes.make(passes.seen([head(of)], demand, now=NOW + after, held=held), refused=after < 60)
    assert passes.times == {"create": (1, 60.0)}


def test_demand_that_comes_later_begins_later() -> None:
    """The workers before it were all created."""
    of = scaled()
    passes = Passes(of)
    passes.make(passes.seen([head(of)], queue(of, tasks=1)))
    pod = worker(of, 1, created=NOW, phase="Pending", ready=False)
    later = queue(of, tasks=2, wanted=1, taken=NOW + 30)
    passes.make(passes.seen([head(of), pod], later, now=NOW + 30))
    assert passes.times == {"create": (2, 0.0)}


def test_of_a_pod_that_says_little_the_total_is_known() -> None:
    """Its kubelet has not said when it started; it still must run."""
    of = scaled()
    passes = Passes(of)
    passes.make(passes.seen([head(of)], queue(of, tasks=1)))
    pending = worker(of, 1, created=NOW, phase="Pending", ready=False)
    passes.make(passes.seen([head(of), pending], queue(of, pending, wanted=1, taken=NOW + 3), now=NOW + 3))
    assert "total" not in passes.times
    runs = worker(of, 1, created=NOW)
    passes.make(passes.seen([head(of), runs], queue(of, runs, wanted=1, taken=NOW + 4), now=NOW + 4))
    assert passes.times == {"create": (1, 0.0), "total": (1, 4.0)}


@pytest.mark.parametrize("gone", [{"deleting": True}, {"phase": "Failed", "ready": False}, None])
def test_a_worker_that_never_arrives_is_forgotten(gone: Mapping[str, Any] | None) -> None:
    """It has no time, and takes no memory."""
    of = scaled()
    passes = Passes(of)
    passes.make(passes.seen([head(of)], queue(of, tasks=1)))
    pods = [] if gone is None else [worker(of, 1, created=NOW, **gone)]
    passes.make(passes.seen([head(of), *pods], queue(of), now=NOW + 5))
    assert passes.times == {"create": (1, 0.0)}
    assert not passes.accounts.startups._clusters


def test_workers_of_another_leader_are_not_timed() -> None:
    """Nobody knows since when they were wanted."""
    of = scaled()
    passes = Passes(of)
    pod = worker(of, 1, created=NOW - 20, **ARRIVED)
    passes.make(passes.seen([head(of), pod], queue(of, wanted=1, tasks=1)))
    passes.make(passes.seen([head(of), pod], queue(of, pod, wanted=1), now=NOW + 1))
    assert not passes.times


def test_without_a_queue_a_worker_has_arrived_when_it_is_ready() -> None:
    """As its kubelet says; the head is no worker."""
    of = cluster(spec(group("gpu", 1)))
    passes = Passes(of)
    passes.make(passes.seen([]), took=0.25)
    there = [head(of, created=NOW), worker(of, 1, created=NOW, readiness_since=NOW + 33, **ARRIVED)]
    passes.make(passes.seen(there, now=NOW + 50))
    assert passes.times == {
        "create": (1, 0.25),
        "schedule": (1, 2),
        "image": (1, 20),
        "start": (1, 28),
        "join": (1, 3),
        "total": (1, 33),
    }


def test_while_the_queue_is_unknown_nobody_arrives() -> None:
    """The last answer may be of another time."""
    of = scaled()
    passes = Passes(of)
    passes.make(passes.seen([head(of)], queue(of, tasks=1)))
    pod = worker(of, 1, created=NOW, **ARRIVED)
    arrived = queue(of, pod, wanted=1)
    unknown = replace(arrived, ray=replace(arrived.ray, trouble="the head does not answer"))
    passes.make(passes.seen([head(of), pod], unknown, now=NOW + 35))
    assert "total" not in passes.times


def test_times_that_contradict_each_other_are_zeros() -> None:
    """The clocks of a node and of the operator differ."""
    of = scaled()
    passes = Passes(of)
    passes.make(passes.seen([head(of)], queue(of, tasks=1)))
    pod = worker(of, 1, created=NOW, scheduled_after=9, started_after=3)
    passes.make(passes.seen([head(of), pod], queue(of, pod, wanted=1, taken=NOW - 100)))
    assert {total for _, total in passes.times.values()} == {0.0, 9.0}


def test_a_worker_that_is_dead_in_ray_has_not_arrived() -> None:
    """Its node may be one of an earlier pod of the name."""
    of = scaled()
    passes = Passes(of)
    passes.make(passes.seen([head(of)], queue(of, tasks=1)))
    pod = worker(of, 1, created=NOW, **ARRIVED)
    dead = view([node(head(of)), node(pod, NodeStatus.DEAD)], acted_on={"gpu": Sizing(1, 0)})
    passes.make(passes.seen([head(of), pod], dead, now=NOW + 5))
    assert "total" not in passes.times


def pod(*conditions: Mapping[str, Any], node_type: str = "worker", **status: Any) -> Pod:
    """A pod that was created at 12:00:00."""
    metadata = {"name": "p", "namespace": "ml", "uid": "u", "resourceVersion": "1"}
    metadata["creationTimestamp"] = "2026-11-30T12:00:00Z"
    labels = {"ray.io/node-type": node_type}
    return pod_from_object(
        {
            "metadata": {**metadata, "labels": labels},
            "spec": {"containers": [{"name": "ray"}], "initContainers": [{"name": "wait"}]},
            "status": {"conditions": conditions, **status},
        }
    )


def true(kind: str, at: str) -> Mapping[str, Any]:
    return {"type": kind, "status": "True", "lastTransitionTime": f"2026-11-30T{at}Z"}


def container(name: str, state: str, at: str) -> Mapping[str, Any]:
    return {"name": name, "state": {state: {"startedAt": f"2026-11-30T{at}Z"}}}


SCHEDULED, SANDBOXED = true("PodScheduled", "12:00:02"), true("PodReadyToStartContainers", "12:00:05")
WAITED: Mapping[str, Any] = {"initContainerStatuses": [container("wait", "terminated", "12:00:35")]}
STARTED: Mapping[str, Any] = {"containerStatuses": [container("ray", "running", "12:00:40")]}


@pytest.mark.parametrize(
    ("conditions", "status", "expected"),
    [
        ((), {}, (None, None, None)),
        (({"type": "PodScheduled", "status": "False"},), {}, (None, None, None)),
        ((SCHEDULED,), {}, (2, None, None)),
        ((SCHEDULED, SANDBOXED), WAITED, (2, 30, None)),
        ((SCHEDULED, SANDBOXED), {**WAITED, **STARTED}, (2, 30, 40)),
        ((SCHEDULED, SANDBOXED), STARTED, (2, 35, 40)),
        ((SCHEDULED,), {**WAITED, **STARTED}, (2, None, 40)),
        ((SCHEDULED, true("PodReadyToStartContainers", "13:00:00")), {**WAITED, **STARTED}, (2, None, 40)),
        ((true("PodScheduled", "11:00:00"),), {}, (None, None, None)),
    ],
)
def test_a_pod_says_how_long_the_parts_of_its_start_took(
    conditions: tuple[Mapping[str, Any], ...], status: Mapping[str, Any], expected: tuple[int | None, ...]
) -> None:
    """By its conditions and its containers, whole seconds; what is of an earlier attempt is no time."""
    there = pod(*conditions, **status)
    assert (there.scheduled_after, there.pulled_in, there.started_after) == expected


def test_of_a_head_nobody_asks() -> None:
    """It would only take memory."""
    assert pod(SCHEDULED, node_type="head", **STARTED).scheduled_after is None


def test_that_a_container_has_started_calls_for_no_action() -> None:
    """It is progress, as its readiness is."""
    before, after = pod(SCHEDULED), pod(SCHEDULED, SANDBOXED, **WAITED, **STARTED)
    assert after.is_progress_of(before)


def test_durations_are_counted_by_the_first_bound_that_holds_them() -> None:
    """As Prometheus reads them: each bound has what those before it have."""
    counted = Durations((1.0, 5.0))
    for seconds in (0.5, 1.0, 3.0, 100.0, -1.0):
        counted.add(seconds)
    assert (counted.counts, counted.total) == ([3, 4, 5], 104.5)
