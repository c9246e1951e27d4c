"""How often a head is asked for its jobs, what of its answers is news, and whose turn it is."""

import asyncio

import pytest
from msgspec.structs import replace

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard import JobDetails, UnknownJob
from rayfleet.ray.dashboard.observation import NOT_SEEN, JobSeen, seen_after
from rayfleet.ray.dashboard.schedule import pause, period
from rayfleet.ray.dashboard.slots import Slots
from rayfleet.ray.polling import Moment
from support.informing import until

RUNNING = JobDetails("j", "RUNNING", "Job is currently running.", start_time=7)
DOWN = DashboardFailure(DashboardTrouble.UNREACHABLE, "down")


@pytest.mark.parametrize(
    ("active", "unchanged", "polled", "seconds"),
    [
        (True, 1e6, 10_000, 1.0),
        (False, 0.0, 1, 1.0),
        (False, 20.0, 1, 1.0),
        (False, 100.0, 1, 5.0),
        (False, 1e6, 1, 10.0),
        (False, 1e6, 2_400, 12.0),
        (False, 0.0, 100_000, 15.0),
    ],
)
def test_how_often_a_head_is_asked(*, active: bool, unchanged: float, polled: int, seconds: float) -> None:
    """Each second around starts and ends; the longer a job has run, the less often, and many share a rate."""
    assert period(active=active, unchanged=unchanged, polled=polled) == seconds


@pytest.mark.parametrize(
    ("trouble", "failures", "failing", "seconds"),
    [
        (None, 0, 0.0, 1.0),
        (DashboardTrouble.UNREACHABLE, 30, 30.0, 1.0),
        (DashboardTrouble.SERVER, 30, 30.0, 1.0),
        (DashboardTrouble.UNREACHABLE, 90, 90.0, 10.0),
        (DashboardTrouble.TIMEOUT, 1, 0.0, 2.0),
        (DashboardTrouble.TIMEOUT, 3, 9.0, 8.0),
        (DashboardTrouble.TIMEOUT, 10_000, 9.0, 30.0),
        (DashboardTrouble.TOO_LARGE, 5, 9.0, 30.0),
    ],
)
def test_a_head_that_keeps_requests_waiting_is_asked_less_often_than_one_that_starts(
    trouble: DashboardTrouble | None, failures: int, failing: float, seconds: float
) -> None:
    """A refused connection costs nothing, and the head may be there in a moment."""
    assert pause(1.0, trouble, failures, failing) == seconds


def test_a_message_is_no_news_and_each_fact_is() -> None:
    """Decisions do not depend on texts."""
    seen, news = seen_after(NOT_SEEN, RUNNING, Moment(1, 1))
    assert news
    seen, news = seen_after(seen, replace(RUNNING, message="still"), Moment(2, 2))
    assert not news
    assert seen == JobSeen(replace(RUNNING, message="still"), Moment(2, 2))
    ended = replace(RUNNING, status="FAILED")
    for other in (
        UnknownJob("j"),
        ended,
        replace(RUNNING, job_id="02000000"),
        replace(RUNNING, driver_node_id="n"),
        replace(RUNNING, driver_exit_code=1),
        replace(RUNNING, end_time=8),
        replace(RUNNING, error_type="E"),
    ):
        assert seen_after(seen, other, Moment(3, 3))[1], other


def test_a_job_is_unknown_since_the_first_failure_and_its_last_answer_is_kept() -> None:
    """Unknown is not gone."""
    known, _ = seen_after(NOT_SEEN, RUNNING, Moment(1, 1))
    first, news = seen_after(known, DOWN, Moment(2, 2))
    assert news
    second, news = seen_after(first, replace(DOWN, message="still"), Moment(3, 3))
    assert not news
    assert (second.unknown_since, second.taken, second.answer) == (Moment(2, 2), Moment(1, 1), RUNNING)
    third, news = seen_after(second, replace(DOWN, trouble=DashboardTrouble.TIMEOUT), Moment(4, 4))
    assert news
    back, news = seen_after(third, RUNNING, Moment(5, 5))
    assert news
    assert back == JobSeen(RUNNING, Moment(5, 5))


async def test_places_go_round_by_namespace() -> None:
    """One that wants many waits for its own."""
    slots, order = Slots(2, 1), list[str]()
    release = asyncio.Event()

    async def hold(namespace: str) -> None:
        async with slots.one(namespace):
            order.append(namespace)
            await release.wait()

    tasks = [asyncio.create_task(hold(name)) for name in ("a", "a", "a", "b")]
    await until("two places to be taken", lambda: slots.taken == 2)
    assert order == ["a", "b"]
    tasks[1].cancel()
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["a", "b", "a"]
    assert slots.taken == 0


async def test_a_place_that_comes_to_one_who_has_just_left_goes_to_the_next() -> None:
    """Otherwise it would be lost for ever."""
    slots, order = Slots(1, 1), list[str]()
    release = asyncio.Event()

    async def wait_for_one(namespace: str) -> None:
        async with slots.one(namespace):
            order.append(namespace)

    async def hold_one() -> None:
        async with slots.one("a"):
            await release.wait()
        leaving.cancel()

    holding = asyncio.create_task(hold_one())
    await until("the place to be taken", lambda: slots.taken == 1)
    leaving, following = (asyncio.create_task(wait_for_one(name)) for name in ("b", "c"))
    await asyncio.sleep(0)
    release.set()
    await asyncio.wait_for(following, 5)
    await holding
    assert order == ["c"]
    assert leaving.cancelled()
    assert slots.taken == 0
