"""Groups whose pods repeatedly end soon after their start: their cost, and their recovery."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from msgspec.structs import replace

from rayfleet.engine.outcome import Succeeded
from rayfleet.kinds.raycluster.healing.endings import FORGET_SECONDS, SOON, Endings
from rayfleet.kinds.raycluster.plan import AdvanceHeadEpoch, CreatePod, DeletePod, Plan, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Host, Pod
from rayfleet.kube.objects.roots import Root
from support.builders import (
    NOW,
    changed,
    cluster,
    ended_by_kubelet,
    group,
    head,
    ray_ended,
    snapshot,
    spec,
    worker,
)


class Fleet:
    """A group, and a kubelet in whose hands pods end after `lives` seconds, or not."""

    def __init__(self, size: int, lives: float | None = 1.0, hosts: int = 1) -> None:
        self.of = cluster(spec(group(replicas=size // hosts, maxReplicas=size, numOfHosts=hosts)))
        self.lives = lives
        self.now = NOW
        self.pods: list[Pod] = []
        self.endings = Endings()
        self.writes: list[float] = []
        self.words: set[str] = set()

    def run(self, seconds: float, step: float = 1.0) -> None:
        end = self.now + seconds
        while self.now < end:
            self._pass()
            self.now += step

    def _pass(self) -> None:
        self.pods = [self._lived(pod) for pod in self.pods]
        seen = self._snapshot()
        decided = plan(seen)
        done = [Succeeded(action) for action in decided.actions]
        self.endings.learn(done, seen.pods, self.now)
        self.words |= set(decided.waits)
        self._carry_out(decided)

    def _snapshot(self) -> Snapshot:
        pods = (head(self.of, created=NOW - 3600), *self.pods)
        self.endings.see(pods, self.now)
        settling = self.endings.settling
        return snapshot(self.of, pods, headless=True, now=self.now, settling=settling)

    def _lived(self, pod: Pod) -> Pod:
        age = self.now - pod.created
        if self.lives is not None and age >= self.lives:
            return changed(pod, ready=False, end=ray_ended(ran=self.lives))
        return changed(pod, ready=age >= 1)

    def _carry_out(self, decided: Plan) -> None:
        for action in decided.actions:
            self.writes.append(self.now - NOW)
            if isinstance(action, DeletePod):
                self.pods = [pod for pod in self.pods if pod.uid != action.uid]
            elif isinstance(action, CreatePod):
                self.pods.append(self._made(action))

    def _made(self, action: CreatePod) -> Pod:
        index = int(action.name.rpartition("-")[2])
        labels, host = action.body["metadata"]["labels"], None
        if action.replica:
            host = Host(
                action.replica,
                int(labels["ray.io/worker-group-replica-index"]),
                int(labels["ray.io/replica-host-index"]),
            )
        made = worker(self.of, index, created=self.now, ready=False, host=host)
        return replace(made, name=action.name, uid=f"uid-{action.name}", template_hash=action.template_hash)

    def writes_between(self, first: float, last: float) -> int:
        return sum(first <= at < last for at in self.writes)


@pytest.mark.parametrize("hosts", [1, 4])
def test_a_group_whose_pods_end_at_once_costs_few_writes_however_large_it_is(hosts: int) -> None:
    """Each round waits twice as long and tries half as many: 3n pods in total, then one in five minutes."""
    fleet = Fleet(16, hosts=hosts)
    fleet.run(3600, step=10)
    fleet.run(1800, step=30)
    assert fleet.writes_between(0, 3600) <= 6 * 16 + 12 * 2 * hosts
    assert 2 * hosts <= fleet.writes_between(3600, 5400) <= 7 * 2 * hosts


def test_a_pod_that_ends_at_once_is_first_replaced_ten_seconds_after_its_creation() -> None:
    """One bad start is not a pattern."""
    fleet = Fleet(3)
    fleet.run(12)
    assert sorted(set(fleet.writes)) == [0, 10]


def test_the_reason_of_a_failing_group_stays_the_same_within_a_round() -> None:
    """Each change of the message would be a write of the status."""
    fleet = Fleet(4)
    fleet.run(3600, step=10)
    last = max(fleet.words, key=lambda words: ("in steps of 300 s" in words, len(words)))
    assert "gpu: " in last
    assert "times in a row (exit code 1); the next attempts are 300 s apart" in last
    assert len(fleet.words) < 50


def test_a_group_that_can_start_again_is_whole_a_minute_after_its_first_pod_is_ready() -> None:
    """The few that were tried have proved it: all others are replaced at once."""
    fleet = Fleet(16)
    fleet.run(1800, step=5)
    fleet.lives = None
    while not any(pod.ready and pod.active for pod in fleet.pods):
        fleet.run(5, step=5)
    fleet.run(SOON + 15, step=5)
    assert sum(pod.ready and pod.active for pod in fleet.pods) == 16


def test_pods_that_have_run_for_long_are_replaced_at_once_however_many_end() -> None:
    """A job that kills its workers every two minutes is not slowed down."""
    fleet = Fleet(8, lives=120)
    fleet.run(1800, step=10)
    assert fleet.endings.settling == {}
    assert fleet.writes_between(0, 1800) >= 2 * 8 * 14


def test_a_pod_without_times_ended_soon_if_its_end_was_seen_soon() -> None:
    """A pod that a kubelet has refused has none."""
    endings = Endings()
    of = cluster()
    for index, age in ((1, 3.0), (2, 30.0)):
        rejected = worker(
            of, index, created=NOW - age, phase="Failed", ready=False, end=ended_by_kubelet("OutOfcpu")
        )
        endings = Endings()
        endings.see([rejected], NOW)
        assert (rejected.uid in str(endings)) is (age < 10)


def test_a_head_that_ends_at_once_time_and_again_is_replaced_more_and_more_slowly() -> None:
    """Ten seconds after its creation the first time, then after 20, 40, ... and at most 300 seconds."""
    of, endings = cluster(spec(group(replicas=0))), Endings()
    epoch, born = 0, NOW
    replaced: list[float] = []
    for second in range(0, 2400, 5):
        now = NOW + second
        pod = head(of, epoch=epoch, created=born)
        pods = [changed(pod, ready=False, end=ray_ended(ran=1.0), uid=f"u{epoch}") if now > born else pod]
        endings.see(pods, now)
        seen = snapshot(
            replace(of, status={"headEpoch": epoch, "head": {"podName": pod.name}}),
            pods,
            now=now,
            settling=endings.settling,
        )
        actions = plan(seen).actions
        if any(isinstance(action, AdvanceHeadEpoch) for action in actions):
            endings.learn([Succeeded(action) for action in actions], pods, now)
            replaced.append(second)
            epoch, born = epoch + 1, now
    gaps = [later - earlier for earlier, later in pairwise(replaced)]
    assert replaced[0] == 10
    assert gaps[:4] == [pytest.approx(at, abs=6) for at in (20, 40, 80, 160)]
    assert set(gaps[5:]) <= {300, 305, 310}


def test_another_spec_is_tried_at_once() -> None:
    """The user may have fixed what was wrong."""
    fleet = Fleet(8)
    fleet.run(1200, step=5)
    assert fleet.endings.settling
    fleet.endings.clear()
    before = len(fleet.writes)
    fleet.run(2)
    assert len(fleet.writes) - before >= 8


def test_a_group_that_fails_rarely_starts_without_backoff_each_time() -> None:
    endings, of = Endings(), cluster()
    for number in range(5):
        now = NOW + number * (FORGET_SECONDS + 60)
        failed: Sequence[Pod] = [worker(of, number + 1, created=now, end=ray_ended(ran=1.0))]
        endings.see(failed, now)
        assert endings.settling == {}
        endings.learn([Succeeded(action) for action in _deletes(of, failed, now)], failed, now)
        endings.see([], now + 1)


def test_nothing_is_remembered_of_healthy_groups() -> None:
    endings, of = Endings(), cluster()
    endings.see([worker(of, 1, created=NOW, end=ray_ended(ran=1.0))], NOW)
    endings.see([], NOW + FORGET_SECONDS + 1)
    assert endings == Endings()


def _deletes(of: Root, pods: Sequence[Pod], now: float) -> list[DeletePod]:
    seen = snapshot(of, [head(of), *pods], now=now + 20)
    return [action for action in plan(seen).actions if isinstance(action, DeletePod)]
