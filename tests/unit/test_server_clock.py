"""Objects are judged by the API server's time, however wrong the operator's own clock is."""

from dataclasses import dataclass
from email.utils import formatdate

import pytest
from msgspec.structs import replace

from rayfleet.engine.memory import Remembered
from rayfleet.engine.outcome import Failed, Succeeded
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.healing.endings import Endings
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import AdvanceHeadEpoch, CreatePod, plan
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.client.server_clock import IN_A_ROW, LATEST, TOLERANCE, ServerClock
from support.builders import NOW, cluster, head, ray_ended, snapshot
from support.wire import says, wire


@dataclass
class Clocks:
    """A machine's clocks, and an API server's clock that is `ahead` by so many seconds."""

    unix: float = NOW
    monotonic: float = 500.0
    ahead: float = 0.0

    def date(self) -> str:
        return formatdate(self.unix + self.ahead, usegmt=True)

    def passes(self, seconds: float) -> None:
        self.unix += seconds
        self.monotonic += seconds

    def clock(self) -> ServerClock:
        return ServerClock(lambda: self.unix, lambda: self.monotonic)


@pytest.mark.parametrize("ahead", [-1200.0, 1200.0])
def test_the_first_answer_sets_the_time(ahead: float) -> None:
    """The operator may be 20 minutes ahead, or behind."""
    clocks = Clocks(ahead=ahead)
    clock = clocks.clock()
    assert clock.now() == NOW
    sent = clock.begin()
    clocks.passes(0.2)
    clock.hear(clocks.date(), sent)
    assert clock.now() == pytest.approx(NOW + ahead, abs=1.5)
    clocks.passes(3600)
    assert clock.now() == pytest.approx(NOW + 3600 + ahead, abs=1.5)


def test_a_clock_that_is_right_within_seconds_is_not_corrected() -> None:
    """Dates have whole seconds, and the servers of a cluster differ: the offset must not oscillate."""
    clocks = Clocks()
    clock = clocks.clock()
    for ahead in (3.0, -3.0, 0.0, TOLERANCE - 1):
        clocks.ahead = ahead
        clock.hear(clocks.date(), clock.begin())
        assert clock.now() == clocks.unix


def test_setting_the_machines_clock_does_not_change_the_time() -> None:
    """Waits become neither longer nor shorter."""
    clocks = Clocks()
    clock = clocks.clock()
    clock.hear(clocks.date(), clock.begin())
    clocks.unix -= 1200
    clocks.ahead = 1200
    for _ in range(10):
        clock.hear(clocks.date(), clock.begin())
        assert clock.now() == pytest.approx(NOW, abs=0.001)


def test_one_answer_with_another_time_is_ignored_and_three_in_a_row_count() -> None:
    """One of several servers may be wrong, but not all of them."""
    clocks = Clocks()
    clock = clocks.clock()
    clock.hear(clocks.date(), clock.begin())
    for ahead in (900.0, 900.0, 0.0, 900.0):
        clocks.ahead = ahead
        clock.hear(clocks.date(), clock.begin())
        assert clock.now() == NOW
    clocks.ahead = 900.0
    for _ in range(IN_A_ROW - 1):
        clock.hear(clocks.date(), clock.begin())
    assert clock.now() == pytest.approx(NOW + 900, abs=1.5)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Jan 2027 99:00:00 GMT", "x" * 10_000])
def test_an_invalid_date_is_ignored(date: str | None) -> None:
    """A proxy may drop the date."""
    clock = Clocks().clock()
    clock.hear(date, clock.begin())
    assert clock.now() == NOW


def test_the_date_of_a_slow_answer_is_ignored() -> None:
    clocks = Clocks(ahead=1200)
    clock = clocks.clock()
    sent = clock.begin()
    clocks.passes(LATEST + 1)
    clock.hear(clocks.date(), sent)
    assert clock.now() == clocks.unix


async def test_the_client_reads_the_date_of_each_answer() -> None:
    """Failures have one as well: they come from the same clock."""
    clocks = Clocks(ahead=-1200)
    answer = says({"message": "no"}, 403, f"Date: {clocks.date()}")
    async with wire(answer) as server, KubeClient(Credentials(server.url), clock=clocks.clock()) as client:
        assert isinstance(await client.get("/api"), ApiFailure)
        assert client.clock.now() == pytest.approx(NOW - 1200, abs=1.5)


def test_a_head_that_was_created_in_the_future_is_replaced_when_it_has_ended() -> None:
    """Without dates in answers its age is unknown, and the next head waits longer."""
    of = replace(cluster(), status={"head": {"podName": head(cluster()).name}})
    ended = head(of, created=NOW + 1200, ready=False, end=ray_ended(ran=1.0))
    assert any(isinstance(one, AdvanceHeadEpoch) for one in plan(snapshot(of, [ended])).actions)
    endings = Endings()
    endings.see([ended], NOW)
    endings.learn([Succeeded(action) for action in plan(snapshot(of, [ended])).actions], [ended], NOW)
    again = head(of, epoch=1, created=NOW + 1200, ready=False, end=ray_ended(ran=1.0))
    endings.see([again], NOW + 2)
    decided = plan(snapshot(of, [again], now=NOW + 2, settling=endings.settling))
    assert decided.actions == ()
    assert decided.requeue_after == 20.0


def test_a_clock_that_is_a_little_behind_does_not_make_a_head_wait_for_more_than_twenty_seconds() -> None:
    of = cluster()
    for ahead in (0.0, 5.0, 9.9, 10.1, 60.0):
        ended = head(of, created=NOW + ahead, ready=False, end=ray_ended())
        decided = plan(snapshot(of, [ended]))
        assert decided.actions or (decided.requeue_after or 0) <= 20


def test_holds_and_the_like_restart_when_the_clock_was_set() -> None:
    """Setting it back by 20 minutes would make a group wait that long."""
    memory = Remembered("uid", ClusterMemory())
    memory.meet(1, NOW, 100.0)
    own = memory.own
    denied = ApiFailure(403, "Forbidden", "exceeded quota")
    own.learn([Failed(CreatePod("worker", "gpu", "x", "h", {}, "why"), denied)], NOW)
    own.ray.dead_since = {b"n": NOW}
    own.ray.kept = {b"n": NOW + 2}
    own.meet(memory.meet(1, NOW + 60, 160.5))
    assert own.held
    own.meet(memory.meet(1, NOW - 1200, 161.0))
    assert own.held == {}
    assert own.ray.dead_since == {b"n": NOW - 1200}
    assert own.ray.kept == {}
