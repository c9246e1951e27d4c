"""Jobs are polled often enough, each head by itself, and only what matters is reported."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.dashboard import JobDetails, bounds
from rayfleet.ray.dashboard.observation import BRIEF, NOT_SEEN, JobSeen
from rayfleet.ray.dashboard.poller import JobsPoller
from rayfleet.ray.polling import PollClock, Target
from rayfleet.ray.polling.room import AnswerRoom
from support.dashboard_misdeeds import Misdeed
from support.informing import until
from support.stand_in_dashboard import StandInDashboard

A, B = Key("RayJob", "ns", "a"), Key("RayJob", "ns", "b")
NOWHERE = "127.0.0.1:1"
TOKEN, OLD_TOKEN = "new", "old"


@dataclass
class Fleet:
    """A poller, and how often it woke each key."""

    poller: JobsPoller
    woken: Counter[Key] = field(default_factory=Counter)

    def watch(
        self,
        key: Key,
        address: str,
        ids: Collection[str] = ("j",),
        *,
        active: bool = True,
        uid: str = "uid",
        token: str | None = None,
    ) -> None:
        self.poller.watch(key, Target(uid, address, token), ids, active=active)

    def seen(self, key: Key, job: str = "j") -> JobSeen:
        found = self.poller.observation(key)
        return NOT_SEEN if found is None else found.jobs.get(job, NOT_SEEN)

    def status(self, key: Key, job: str = "j") -> str | None:
        """What is known of a job: its status, unknown, or None if nothing is."""
        answer = self.seen(key, job).answer
        return answer.status if isinstance(answer, JobDetails) else "unknown" if answer is not None else None

    async def heard(self, key: Key, status: str, job: str = "j") -> None:
        await until(f"{job} of {key} to be {status}", lambda: self.status(key, job) == status, seconds=5)

    async def failed(self, key: Key, job: str = "j") -> DashboardFailure:
        await until(f"a failure of {key}", lambda: self.seen(key, job).failure is not None, seconds=5)
        failure = self.seen(key, job).failure
        assert failure is not None
        return failure


@asynccontextmanager
async def polling(*, seconds: float = 0.3, room: AnswerRoom | None = None) -> AsyncIterator[Fleet]:
    woken: Counter[Key] = Counter()
    poller = JobsPoller(
        lambda key: woken.update([key]),
        seconds=seconds,
        clockwork=PollClock(jitter=lambda: 0.0),
        room=room,
    )
    try:
        yield Fleet(poller, woken)
    finally:
        await poller.close()
        assert poller.observation(A) is None


@asynccontextmanager
async def head(*running: str, token: str | None = None) -> AsyncIterator[StandInDashboard]:
    made = StandInDashboard(token)
    for each in running:
        made.submit(each)
        made.run(each)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_a_job_is_followed_and_its_key_woken_only_when_something_has_changed() -> None:
    """Submitted, started, ended; not by polls in between."""
    async with head() as ray, polling() as fleet:
        fleet.watch(A, ray.address)
        await fleet.heard(A, "unknown")
        ray.submit("j")
        fleet.poller.poke(A)
        await fleet.heard(A, "PENDING")
        ray.run("j")
        fleet.poller.poke(A)
        await fleet.heard(A, "RUNNING")
        polls = len(ray.requests)
        fleet.poller.poke(A)
        await until("another question", lambda: len(ray.requests) > polls)
        ray.finish("j", "FAILED", driver_exit_code=137)
        fleet.poller.poke(A)
        await fleet.heard(A, "FAILED")
        assert fleet.woken == {A: 4}
        answer = fleet.seen(A).answer
        assert isinstance(answer, JobDetails)
        assert answer.driver_exit_code == 137


async def test_a_single_job_is_asked_for_alone_and_several_by_one_list() -> None:
    """However many others the head has ever had."""
    async with head("j", "k", "old") as ray, polling() as fleet:
        fleet.watch(A, ray.address)
        await fleet.heard(A, "RUNNING")
        assert {path for _, path in ray.requests} == {"/api/jobs/j"}
        ray.requests.clear()
        fleet.watch(B, ray.address, ("k", "gone"))
        await fleet.heard(B, "RUNNING", "k")
        assert fleet.status(B, "gone") == "unknown"
        assert fleet.status(A, "k") is None
        seen = fleet.poller.observation(B)
        assert seen is not None
        assert (seen.uid, set(seen.jobs)) == ("uid", {"k", "gone"})
        assert [path for _, path in ray.requests if path != "/api/jobs/j"] == ["/api/jobs/"]


async def test_a_change_wakes_only_those_who_ask_for_that_job() -> None:
    """Keys of one cluster share its polls, and nothing else."""
    async with head("j", "k") as ray, polling() as fleet:
        fleet.watch(A, ray.address, ("j",))
        fleet.watch(B, ray.address, ("k",))
        await fleet.heard(B, "RUNNING", "k")
        before = fleet.woken.copy()
        ray.finish("k")
        fleet.poller.poke(A)
        await fleet.heard(B, "SUCCEEDED", "k")
        assert fleet.woken - before == {B: 1}


async def test_a_head_with_a_long_list_is_asked_job_by_job() -> None:
    """Listing thousands of old jobs would take its CPU, not ours."""
    async with head("j", "k") as ray, polling() as fleet:
        for n in range(100):
            ray.submit(f"old-{n}", "SUCCEEDED")
        fleet.watch(A, ray.address, ("j", "k"))
        await fleet.heard(A, "RUNNING", "k")
        fleet.poller.poke(A)
        await until("single questions", lambda: ray.asked("GET", "/api/jobs/k") == 1)
        assert [path for _, path in ray.requests] == ["/api/jobs/", "/api/jobs/j", "/api/jobs/k"]


@pytest.mark.parametrize("what", ["too large", "broken"])
async def test_a_list_that_cannot_be_read_is_replaced_by_single_questions_at_once(what: str) -> None:
    """One user's job must not hide another's."""
    async with head("j", "k") as ray, polling() as fleet:
        if what == "too large":
            ray.submit("huge", entrypoint="x" * bounds.LARGEST_LIST)
        else:
            ray.submit("odd", entrypoint=float("nan"))
        fleet.watch(A, ray.address, ("j", "k"))
        await fleet.heard(A, "RUNNING")
        await fleet.heard(A, "RUNNING", "k")
        assert fleet.seen(A).failure is None


async def test_a_job_that_cannot_be_read_leaves_the_others_of_its_head_alone() -> None:
    """It has a failure of its own."""
    async with head("j", "k") as ray, polling() as fleet:
        ray.submit("j", entrypoint="x" * bounds.LARGEST_LIST)
        fleet.watch(A, ray.address, ("j", "k"))
        await fleet.heard(A, "RUNNING", "k")
        assert (await fleet.failed(A)).trouble is DashboardTrouble.TOO_LARGE
        assert fleet.seen(A, "k").failure is None


async def test_more_jobs_than_one_poll_asks_for_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayfleet.ray.dashboard.questions.MOST_SINGLE", 2)
    monkeypatch.setattr("rayfleet.ray.dashboard.questions.WORTH_BYTES", 0)
    names = ("a", "b", "c", "d", "e")
    async with head(*names) as ray, polling() as fleet:
        fleet.watch(A, ray.address, names)
        await fleet.heard(A, "RUNNING", "a")
        for each in names:
            ray.finish(each)
        for _ in range(3):
            asked = len(ray.requests)
            fleet.poller.poke(A)
            await until("two questions", lambda asked=asked: len(ray.requests) >= asked + 2)  # type: ignore[misc]  # a default binds it
        for each in names:
            await fleet.heard(A, "SUCCEEDED", each)


async def test_heads_that_hang_lie_or_are_gone_do_not_affect_others() -> None:
    """Each has its own failure, and the healthy one its answer."""
    async with head("j") as good, head() as hanging, head() as lying, polling(seconds=1.0) as fleet:
        hanging.misdeed, lying.misdeed = Misdeed.BLACK_HOLE, Misdeed.WRONG_JOB
        keys = [Key("RayJob", "ns", name) for name in ("hanging", "lying", "gone")]
        for key, address in zip(keys, (hanging.address, lying.address, NOWHERE), strict=True):
            fleet.watch(key, address, uid=key.name)
        fleet.watch(A, good.address)
        await asyncio.wait_for(fleet.heard(A, "RUNNING"), 0.9)
        troubles = [(await fleet.failed(key)).trouble for key in keys]
        assert troubles == [DashboardTrouble.TIMEOUT, DashboardTrouble.INVALID, DashboardTrouble.UNREACHABLE]


async def test_three_hundred_heads_that_hang_do_not_keep_another_tenants_waiting() -> None:
    """They have a bounded number of places."""
    async with head("j") as good, head() as hanging, polling(seconds=10.0) as fleet:
        hanging.misdeed = Misdeed.BLACK_HOLE
        for n in range(300):
            fleet.watch(Key("RayJob", "hostile", f"h-{n}"), hanging.address, uid=f"h-{n}")
        await until("their places to be taken", lambda: fleet.poller._slots.taken == 64)
        fleet.watch(A, good.address)
        await asyncio.wait_for(fleet.heard(A, "RUNNING"), 5)
        assert len(hanging.requests) == 64


async def test_a_head_that_hangs_is_left_alone_for_longer_and_longer() -> None:
    """Nor do pokes hasten that: its tenant could cause them."""
    async with head("j") as ray, polling(seconds=0.05) as fleet:
        ray.misdeed = Misdeed.BLACK_HOLE
        fleet.watch(A, ray.address)
        await fleet.failed(A)
        (watched,) = fleet.poller._heads.values()
        fleet.poller.poke(A)
        loop = asyncio.get_running_loop()
        assert watched.timer is not None
        assert watched.timer.when() - loop.time() > 1.5


async def test_a_head_that_returns_is_asked_and_its_last_answer_kept_meanwhile() -> None:
    async with head("j") as ray, polling() as fleet:
        fleet.watch(A, ray.address)
        await fleet.heard(A, "RUNNING")
        await ray.stop()
        fleet.poller.poke(A)
        assert (await fleet.failed(A)).trouble is DashboardTrouble.UNREACHABLE
        assert fleet.status(A) == "RUNNING"
        since = fleet.seen(A).unknown_since
        assert since is not None
        await ray.start()
        await until("the answer", lambda: fleet.seen(A).failure is None, seconds=3)
        assert fleet.woken[A] == 3


async def test_a_new_address_is_asked_at_once_and_what_is_known_kept() -> None:
    """Another cluster of the same name starts from scratch."""
    async with head("j") as old, head() as new, polling() as fleet:
        fleet.watch(A, old.address, active=False)
        await fleet.heard(A, "RUNNING")
        fleet.watch(A, new.address, active=False)
        assert fleet.status(A) == "RUNNING"
        await fleet.heard(A, "unknown")
        fleet.watch(A, new.address, uid="another")
        assert fleet.status(A) is None
        await fleet.heard(A, "unknown")


async def test_keys_that_name_two_addresses_of_one_cluster_do_not_move_it_to_and_fro() -> None:
    """The one that has just learnt of a new address is right, and not whoever was woken last."""
    async with head("j", "k") as old, head("j", "k") as new, polling() as fleet:
        fleet.watch(A, old.address)
        fleet.watch(B, old.address, ("k",))
        await fleet.heard(A, "RUNNING")
        fleet.watch(B, new.address, ("k",))
        fleet.watch(A, old.address, active=False)
        await until("a question to the new one", lambda: new.requests)
        polls = len(old.requests)
        fleet.poller.poke(A)
        await until("another one", lambda: len(new.requests) > 1)
        assert len(old.requests) == polls


async def test_a_new_token_is_used_at_once() -> None:
    """A head that refuses is not asked each second with the old one."""
    async with head("j", token=TOKEN) as ray, polling() as fleet:
        fleet.watch(A, ray.address, token=OLD_TOKEN)
        assert (await fleet.failed(A)).trouble is DashboardTrouble.UNAUTHENTICATED
        fleet.watch(A, ray.address, token=TOKEN)
        await fleet.heard(A, "RUNNING")
        assert ray.tokens == {f"Bearer {OLD_TOKEN}", f"Bearer {TOKEN}"}


async def test_a_job_that_is_watched_from_now_on_is_asked_for_at_once() -> None:
    """Even while the head is asked rarely, or at this moment."""
    async with head("j", "k") as ray, polling() as fleet:
        fleet.watch(A, ray.address, active=False)
        await fleet.heard(A, "RUNNING")
        (watched,) = fleet.poller._heads.values()
        fleet.poller._ask_after(watched, 10.0)
        fleet.watch(B, ray.address, ("k",), active=False)
        await asyncio.wait_for(fleet.heard(B, "RUNNING", "k"), 5)


async def test_a_poke_during_a_poll_asks_once_more_after_it() -> None:
    """The answer that is under way may be older than what happened."""
    async with head("j") as ray, polling(seconds=5.0) as fleet:
        ray.held = asyncio.Event()
        fleet.watch(A, ray.address)
        await until("the question", lambda: len(ray.requests) == 1)
        fleet.poller.poke(A)
        ray.held.set()
        await until("another one", lambda: len(ray.requests) == 2, seconds=0.7)


async def test_a_key_that_is_forgotten_is_not_asked_for_again_even_while_its_head_hangs() -> None:
    """And what is known of its job is dropped."""
    async with head("j", "k") as ray, polling(seconds=30) as fleet:
        fleet.watch(A, ray.address)
        fleet.watch(B, ray.address, ("k",))
        await fleet.heard(B, "RUNNING", "k")
        fleet.poller.forget(B)
        (watched,) = fleet.poller._heads.values()
        assert set(watched.jobs) == {"j"}
        ray.misdeed = Misdeed.BLACK_HOLE
        asked = len(ray.requests)
        fleet.poller.poke(A)
        await until("the question", lambda: len(ray.requests) > asked)
        fleet.poller.forget(A)
        fleet.poller.poke(A)
        assert fleet.poller.observation(A) is None
        assert fleet.poller.client(A) is None
        assert not fleet.poller._heads
        assert (watched.task, watched.timer) == (None, None)


async def test_long_messages_beyond_the_room_for_all_are_cut_and_nothing_else_is_lost() -> None:
    """The namespace that holds most gives way."""
    other = Key("RayJob", "other", "b")
    room = AnswerRoom(10_000)
    async with head("j") as one, head("j") as two, polling(room=room) as fleet:
        one.finish("j", "FAILED", message="x" * 2000)
        two.finish("j", "FAILED", message="y" * 1000)
        fleet.watch(A, one.address)
        await fleet.heard(A, "FAILED")
        fleet.watch(other, two.address, uid="two")
        await fleet.heard(other, "FAILED")
        lengths = [len(getattr(fleet.seen(key).answer, "message", "")) for key in (A, other)]
        assert lengths == [BRIEF, 1000]
        fleet.poller.forget(other)
        assert room.taken == 0
