"""Heads are polled often enough, each by itself, and a change is reported once."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import grpc
import pytest
from msgspec.structs import replace

from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kube.objects.keys import Key
from rayfleet.ray.gcs.protocol import ray_pb2
from rayfleet.ray.gcs.replies import state_from
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling import Moment, Observation, PollClock, Poller, Target
from rayfleet.ray.polling.deaths import MOST_IN_VAIN
from rayfleet.ray.polling.observation import differs, observed
from rayfleet.ray.polling.room import AnswerRoom
from rayfleet.ray.polling.schedule import STALE_SECONDS, first_wait, jittered, period, stroke
from rayfleet.ray.state import RayState
from support.informing import until
from support.stand_in_gcs import STATE, StandInGcs, node, state

NODES = "GetAllNodeInfo"
A, B, C = Key("RayCluster", "ns", "a"), Key("RayCluster", "ns", "b"), Key("RayCluster", "ns", "c")
NOWHERE = "127.0.0.1:1"
DOWN = GcsFailure(GcsTrouble.UNREACHABLE, "down")
NEVER = Observation("uid")


def values(*args: object, **kwargs: object) -> RayState:
    return state_from(state(*args, **kwargs).SerializeToString())  # type: ignore[arg-type]  # passed on


@dataclass
class Fleet:
    """A poller, and how often it woke each cluster."""

    poller: Poller
    woken: Counter[Key] = field(default_factory=Counter)

    def watch(self, key: Key, address: str, *, active: bool = True, uid: str = "uid") -> None:
        self.poller.watch(key, Target(uid, address), active=active)

    async def heard(self, key: Key) -> RayState:
        """The first state of `key`."""
        await until(f"an answer about {key}", lambda: self.state(key) is not None)
        found = self.state(key)
        assert found is not None
        return found

    def state(self, key: Key) -> RayState | None:
        seen = self.poller.observation(key)
        return seen.state if seen is not None else None

    def deaths(self, key: Key) -> Mapping[bytes, DeathCause]:
        seen = self.poller.observation(key)
        return seen.deaths if seen is not None else {}

    def failure(self, key: Key) -> GcsFailure | None:
        seen = self.poller.observation(key)
        return seen.failure if seen is not None else None


@asynccontextmanager
async def polling(
    *, seconds: float = 0.3, warm: int = 100, pods: Collection[str] = (), room: AnswerRoom | None = None
) -> AsyncIterator[Fleet]:
    woken: Counter[Key] = Counter()
    poller = Poller(
        lambda key: woken.update([key]),
        lambda _: pods,
        seconds=seconds,
        warm=warm,
        clockwork=PollClock(jitter=lambda: 0.0),
        room=room,
    )
    try:
        yield Fleet(poller, woken)
    finally:
        await poller.close()
        assert poller.observation(A) is None


@asynccontextmanager
async def head(*nodes: object, **kwargs: object) -> AsyncIterator[StandInGcs]:
    gcs = StandInGcs()
    gcs.says(STATE, state(*nodes, **kwargs))  # type: ignore[arg-type]  # passed on
    await gcs.start()
    try:
        yield gcs
    finally:
        await gcs.stop()


@pytest.mark.parametrize(
    ("active", "quiet", "reading", "deciding", "seconds"),
    [
        (True, 10_000, 0.0, 0.0, 1.0),
        (False, 1, 0.0, 0.0, 1.0),
        (False, 400, 0.0, 0.0, 1.0),
        (False, 1000, 0.0, 0.0, 2.5),
        (False, 100_000, 0.0, 0.0, 5.0),
        (True, 1, 0.3, 0.1, 6.0),
        (True, 1, 0.0, 2.0, 20.0),
    ],
)
def test_how_often_a_head_is_polled(
    *, active: bool, quiet: int, reading: float, deciding: float, seconds: float
) -> None:
    """Active ones each second; quiet ones share a rate; those that are expensive to read or decide wait."""
    assert period(active=active, quiet=quiet, reading=reading, deciding=deciding) == seconds


async def test_a_head_whose_answer_took_long_to_decide_about_is_not_polled_again_soon() -> None:
    """After a quick decision it is polled as before."""
    async with head(node("w-1")) as gcs, polling() as fleet:
        fleet.watch(A, gcs.address)
        await fleet.heard(A)
        watched = fleet.poller._watched[A]
        await until("the next to be due", lambda: watched.task is None)
        fleet.poller.took(A, 6.0)
        due = watched.due
        assert due - time.monotonic() > 50
        fleet.poller.took(A, 5.9)
        assert watched.due == due
        fleet.poller.took(A, 0.0)
        fleet.poller.took(B, 0.0)
        fleet.poller.poke(A)
        await until("another question", lambda: len(gcs.requests) == 2)
        await until("the next to be due", lambda: watched.task is None)
        assert watched.due - time.monotonic() < 2


def test_heads_are_polled_at_random_times_and_quiet_ones_in_batches() -> None:
    """Each interval varies by a tenth; quiet ones share multiples of 100 ms."""
    assert jittered(1.0, 0.0) == pytest.approx(0.9)
    assert jittered(1.0, 1.0) == pytest.approx(1.1)
    assert first_wait(1000, 0.5) == 1.25
    assert stroke(7.01) == pytest.approx(7.1)


def test_values_that_change_by_themselves_are_not_a_change() -> None:
    """These are idle times, versions and, without demand, free resources."""
    before = values(node("w-1", CPU=1.0))
    assert not differs(before, values(node("w-1", idle_ms=90_000, CPU=1.0), version=9))
    freed = replace(before.nodes[0], available=())
    assert not differs(before, replace(before, nodes=(freed,)))


@pytest.mark.parametrize(
    "after",
    [
        values(node("w-1", CPU=1.0), demands={"GPU": 1}),
        values(node("w-1", status=1, CPU=1.0)),
        values(node("w-1", CPU=2.0)),
        values(node("w-2", CPU=1.0)),
        values(),
        values(node("w-1", CPU=1.0), session="session_2"),
    ],
)
def test_values_that_decisions_use_are_a_change(after: RayState) -> None:
    """These are demand, nodes, their status and size, and the session."""
    assert differs(values(node("w-1", CPU=1.0)), after)


def test_free_resources_are_a_change_while_something_waits() -> None:
    """The demand may fit now."""
    before = values(node("w-1", CPU=1.0), demands={"GPU": 1})
    assert differs(before, replace(before, nodes=(replace(before.nodes[0], available=()),)))


def test_the_state_is_unknown_since_the_first_failure_and_the_last_one_is_kept() -> None:
    """Unknown is not zero."""
    known, changed = observed(NEVER, values(node("w-1")), Moment(1, 1))
    assert changed
    first, changed = observed(known, DOWN, Moment(2, 2))
    assert changed
    second, changed = observed(first, replace(DOWN, message="still down"), Moment(3, 3))
    assert not changed
    assert (second.unknown_since, second.taken, second.state) == (Moment(2, 2), Moment(1, 1), known.state)
    back, changed = observed(second, values(node("w-1")), Moment(4, 4))
    assert changed
    assert (back.unknown_since, back.failure, back.session_since) == (None, None, Moment(1, 1))


def test_a_new_session_is_reported_with_the_time_when_it_was_first_seen() -> None:
    """The head has restarted."""
    known, _ = observed(NEVER, values(session="one"), Moment(1, 1))
    renewed, changed = observed(known, values(session="two"), Moment(5, 5))
    assert changed
    assert renewed.session_since == Moment(5, 5)
    later, changed = observed(renewed, values(session="two"), Moment(6, 6))
    assert not changed
    assert later.session_since == Moment(5, 5)


def test_an_equal_answer_is_a_change_if_the_last_one_was_too_old() -> None:
    """No decision was made on the last one any more."""
    first, _ = observed(NEVER, values(), Moment(100.0, 0.0))
    for late, news in ((STALE_SECONDS, False), (STALE_SECONDS + 0.1, True)):
        assert observed(first, values(), Moment(100.0 + late, late))[1] is news


async def test_a_head_that_is_hard_to_read_is_reported_once_its_last_answer_is_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is polled again only later, and nothing else would wake its cluster."""
    monkeypatch.setattr("rayfleet.ray.polling.poller.STALE_SECONDS", 0.05)
    async with head(node("w-1")) as gcs, polling() as fleet:
        fleet.watch(A, gcs.address)
        await fleet.heard(A)
        assert fleet.woken[A] == 1
        await until("its cluster to be woken", lambda: fleet.woken[A] == 2)
        assert len(gcs.requests) == 1


async def test_a_change_is_reported_once_and_a_poke_asks_at_once() -> None:
    """Equal answers are not reported."""
    async with head(node("w-1")) as gcs, polling() as fleet:
        fleet.watch(A, gcs.address)
        await fleet.heard(A)
        gcs.says(STATE, state(node("w-1"), demands={"GPU": 2}))
        for _ in range(3):
            asked = len(gcs.requests)
            fleet.poller.poke(A)
            await until("the question", lambda asked=asked: len(gcs.requests) > asked, seconds=0.8)  # type: ignore[misc]  # a default binds it
            await until("its answer", lambda: bool(fleet.state(A) and fleet.state(A).demands))  # type: ignore[union-attr]  # looked at before
        assert fleet.woken[A] == 2


async def test_heads_that_hang_lie_or_are_gone_do_not_affect_others() -> None:
    """Each has its own failure, and the healthy one its answer."""
    async with head() as hanging, head() as lying, head(node("w-1")) as good, polling() as fleet:
        hanging.hangs(STATE)
        lying.says(STATE, b"\xff\xff\xff")
        fleet.watch(B, hanging.address)
        fleet.watch(C, lying.address)
        gone = Key("RayCluster", "ns", "gone")
        fleet.watch(gone, NOWHERE)
        fleet.watch(A, good.address)
        await asyncio.wait_for(fleet.heard(A), 0.25)
        await until("all failures", lambda: all(map(fleet.failure, (B, C, gone))))
        troubles = [failure.trouble for failure in map(fleet.failure, (B, C, gone)) if failure is not None]
        assert troubles == [GcsTrouble.DEADLINE, GcsTrouble.INVALID, GcsTrouble.UNREACHABLE]


async def test_a_head_that_returns_is_polled_and_its_last_state_kept_meanwhile() -> None:
    """It gets a new connection, without a long pause."""
    async with head(node("w-1")) as gcs, polling() as fleet:
        fleet.watch(A, gcs.address)
        known = await fleet.heard(A)
        await gcs.stop()
        fleet.poller.poke(A)
        await until("the failure", lambda: fleet.failure(A))
        assert fleet.state(A) == known
        await gcs.start()
        fleet.poller.poke(A)
        await until("the answer", lambda: fleet.failure(A) is None, seconds=3)


async def test_a_new_address_is_polled_at_once_and_the_state_of_the_same_cluster_kept() -> None:
    """Another cluster of the same name starts from scratch."""
    async with head(session="one") as old, head(session="two") as new, polling() as fleet:
        fleet.watch(A, old.address)
        await fleet.heard(A)
        fleet.watch(A, new.address)
        assert fleet.state(A) is not None
        await until("the new head", lambda: (fleet.state(A) or values()).session == "two")
        fleet.watch(A, new.address, uid="another")
        assert fleet.poller.observation(A) is None


async def test_a_forgotten_cluster_is_not_polled_again_even_while_it_hangs() -> None:
    """Its request is cancelled."""
    async with head() as gcs, polling(seconds=30) as fleet:
        gcs.hangs(STATE)
        fleet.watch(A, gcs.address)
        await until("the question", lambda: gcs.requests)
        fleet.poller.forget(A)
        fleet.poller.poke(A)
        assert fleet.poller.observation(A) is None


async def test_quiet_clusters_beyond_the_open_connections_get_one_per_poll() -> None:
    """Each poll has another peer address at the head."""
    async with head() as gcs, polling(warm=0) as fleet:
        fleet.watch(A, gcs.address, active=False)
        await fleet.heard(A)
        fleet.poller.poke(A)
        await until("two questions", lambda: len(gcs.requests) >= 2)
        assert len(gcs.peers) == len(gcs.requests)


def books(**causes: int) -> ray_pb2.GetAllNodeInfoReply:
    """Dead nodes with Ray's cause of death as a number; by name, with underscores."""
    reply = ray_pb2.GetAllNodeInfoReply()
    for name, cause in causes.items():
        node_id = node(name.replace("_", "-")).node_id
        death = ray_pb2.NodeDeathInfo(reason=cause)
        reply.node_info_list.add(node_id=node_id, state=1, death_info=death)
    return reply


def asked_about(gcs: StandInGcs) -> list[list[bytes]]:
    """The nodes of each request about deaths."""
    questions = [ray_pb2.GetAllNodeInfoRequest.FromString(raw) for name, raw in gcs.requests if name == NODES]
    return [[each.node_id for each in question.node_selectors] for question in questions]


def has_asked(gcs: StandInGcs, times: int) -> bool:
    return len(asked_about(gcs)) >= times


async def test_the_cause_of_a_nodes_death_is_known_with_it_and_requested_once() -> None:
    """Only if its pod lives; and it is forgotten with the node."""
    dead = [node(f"w-{n}", status=2) for n in (1, 2)]
    async with head(node("w-3"), *dead) as gcs, polling(pods=("w-1", "w-3")) as fleet:
        gcs.says(NODES, books(w_1=4))
        fleet.watch(A, gcs.address)
        await fleet.heard(A)
        assert fleet.deaths(A) == {dead[0].node_id: DeathCause.DRAIN_IDLE}
        assert asked_about(gcs) == [[dead[0].node_id]]
        polls = len(gcs.requests)
        fleet.poller.poke(A)
        await until("another question", lambda: len(gcs.requests) > polls)
        assert len(asked_about(gcs)) == 1
        gcs.says(STATE, state(node("w-3")))
        fleet.poller.poke(A)
        await until("the node to be forgotten", lambda: not fleet.deaths(A))


async def test_a_state_does_not_count_before_the_causes_of_its_deaths_are_known() -> None:
    """A head that does not report them counts as one that does not answer."""
    async with head(node("w-1")) as gcs, polling(pods=("w-1",)) as fleet:
        fleet.watch(A, gcs.address)
        first = await fleet.heard(A)
        gcs.refuses(NODES, grpc.StatusCode.UNAVAILABLE)
        gcs.says(STATE, state(node("w-1", status=2)))
        fleet.poller.poke(A)
        await until("the failure", lambda: fleet.failure(A) is not None)
        assert fleet.state(A) == first
        gcs.says(NODES, books(w_1=4))
        fleet.poller.poke(A)
        await until("the death", lambda: fleet.state(A) != first)
        assert list(fleet.deaths(A).values()) == [DeathCause.DRAIN_IDLE]
        assert fleet.failure(A) is None


async def test_a_head_that_never_reports_causes_stops_growth_for_three_requests_only() -> None:
    """After that the cause counts as unknown."""
    async with head(node("w-1", status=2)) as gcs, polling(pods=("w-1",)) as fleet:
        fleet.watch(A, gcs.address)
        for times in (1, 2, 3):
            await until(f"question {times}", partial(has_asked, gcs, times))
            fleet.poller.poke(A)
        await fleet.heard(A)
        assert list(fleet.deaths(A).values()) == [DeathCause.UNKNOWN]
        assert len(asked_about(gcs)) == MOST_IN_VAIN


async def test_an_answer_without_room_beside_those_of_its_namespace_is_dropped_and_reported() -> None:
    """An older one may be dropped instead; its cluster then learns that its state is unknown."""
    small, large = state(node("w-1")), state(*[node(f"w-{n}") for n in range(9)])
    most = values(*[node(f"w-{n}") for n in range(9)]).size + 10
    async with head() as one, head() as two, polling(room=AnswerRoom(most)) as fleet:
        one.says(STATE, large)
        two.says(STATE, small)
        fleet.watch(A, one.address)
        await fleet.heard(A)
        before = fleet.woken[A]
        fleet.watch(B, two.address)
        await fleet.heard(B)
        assert fleet.state(A) is None
        failure = fleet.failure(A)
        assert failure is not None
        assert failure.trouble is GcsTrouble.TOO_LARGE
        assert fleet.woken[A] == before + 1
        fleet.poller.forget(B)
        fleet.poller.poke(A)
        await fleet.heard(A)
