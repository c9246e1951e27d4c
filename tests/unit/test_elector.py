"""The elector against a Lease in memory and a clock that the test moves: never two leaders at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from rayfleet.clients.kube import Answer
from rayfleet.election import LeaderElector, Timing
from rayfleet.errors import ApiFailure

AWAY = ApiFailure(0, "NoAnswer", "connection refused")
FORBIDDEN = ApiFailure(403, "Forbidden", "you may not")
TIMING = Timing()


@dataclass
class Leases:
    """One Lease with its guards, as an API server keeps it. Each request takes `latency` of the clock."""

    now: float = 100.0
    lease: dict[str, Any] | None = None
    latency: float = 0.0
    trouble: ApiFailure | None = None
    lost_answers: bool = False
    """What is written is stored, and its answer never comes."""
    version: int = 0
    within: list[float | None] = field(default_factory=list)
    """How long each request was given."""
    writes: list[str] = field(default_factory=list)

    async def get(self, _: str, *, within: float | None = None) -> Answer:
        failure = self._asked(within)
        if failure is not None:
            return failure
        return self.lease or ApiFailure(404, "NotFound", "no such lease")

    async def create(self, _: str, body: Mapping[str, Any], *, within: float | None = None) -> Answer:
        failure = self._asked(within)
        if failure is not None:
            return failure
        self.writes.append("create")
        if self.lease is not None:
            return ApiFailure(409, "AlreadyExists", "it is there")
        return self._store(dict(body["metadata"], uid=f"u{self.version}"), dict(body["spec"]))

    async def request(self, verb: str, _: str, *, body: Mapping[str, Any], within: float | None) -> Answer:
        assert verb == "patch"
        failure = self._asked(within)
        if failure is not None:
            return failure
        self.writes.append("patch")
        if self.lease is None:
            return ApiFailure(404, "NotFound", "no such lease")
        guard, metadata = body["metadata"], self.lease["metadata"]
        if (guard["uid"], guard["resourceVersion"]) != (metadata["uid"], metadata["resourceVersion"]):
            return ApiFailure(409, "Conflict", "somebody wrote first")
        return self._store(metadata, {**self.lease["spec"], **body["spec"]})

    def held_by(self, holder: str) -> None:
        """Somebody else writes."""
        metadata = self.lease["metadata"] if self.lease else {"uid": "u", "name": "x"}
        self._store(metadata, {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": self.now})

    @property
    def holder(self) -> str:
        return "" if self.lease is None else str(self.lease["spec"]["holderIdentity"])

    def _asked(self, within: float | None) -> ApiFailure | None:
        self.within.append(within)
        self.now += self.latency
        return self.trouble

    def _store(self, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Answer:
        self.version += 1
        self.lease = {"metadata": {**metadata, "resourceVersion": str(self.version)}, "spec": dict(spec)}
        return AWAY if self.lost_answers else self.lease


class Candidate:
    """An elector whose loop the test turns."""

    def __init__(self, leases: Leases, identity: str = "me") -> None:
        self.leases = leases
        self.said: list[str] = []
        client: Any = leases
        self.elector = LeaderElector(
            client,
            "here",
            identity,
            clock=lambda: leases.now,
            on_gain=lambda: self.said.append("gain"),
            on_loss=lambda: self.said.append("loss"),
        )

    async def turn(self) -> float:
        """One turn of its loop; what it would sleep then."""
        led = self.elector._deadline != float("-inf")
        return await (self.elector._keep() if led else self.elector._stand())

    async def run_for(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """Turn the loop, and sleep as it says, until so much of the clock has passed."""
        until = self.leases.now + seconds
        while self.leases.now < until:
            before = self.leases.now
            wait = await self.turn()
            look()
            self.leases.now += max(
                min(wait, until - self.leases.now), 0.0 if self.leases.now > before else 1e-6
            )


async def leader(leases: Leases | None = None) -> Candidate:
    found = Candidate(leases or Leases())
    await found.turn()
    assert found.elector.leading
    return found


async def test_a_free_lease_is_taken_and_kept() -> None:
    """Renewed often enough that it never runs short, for as long as all is well."""
    me = await leader()
    left: list[float] = []
    await me.run_for(120, lambda: left.append(me.elector.seconds_left))
    assert me.said == ["gain"]
    assert me.elector.term == 1
    assert min(left) == TIMING.renew_deadline
    assert len(me.leases.writes) == 1 + 24


async def test_the_deadline_counts_from_before_a_renewal_is_sent() -> None:
    """By its arrival at the API server, the others' clock may have begun already."""
    leases = Leases(latency=3.0)
    me = Candidate(leases)
    await me.turn()  # A look, and a create.
    assert me.elector.seconds_left == TIMING.renew_deadline - 3.0


@pytest.mark.parametrize("trouble", [AWAY, FORBIDDEN], ids=["no answer", "refused"])
async def test_a_leader_that_cannot_renew_leads_until_its_deadline_and_no_longer(trouble: ApiFailure) -> None:
    """And says why; when it can write again, it leads in another term."""
    me = await leader()
    me.leases.trouble = trouble
    await me.run_for(TIMING.renew_deadline - 0.5)
    assert me.said == ["gain"]
    assert me.elector.trouble == trouble.message
    await me.run_for(1.0)
    assert me.said == ["gain", "loss"]
    assert not me.elector.leading
    me.leases.trouble = None
    await me.run_for(3.0)
    assert me.said == ["gain", "loss", "gain"]
    assert me.elector.term == 2
    assert not me.elector.trouble


async def test_no_request_of_a_leader_outlasts_its_deadline() -> None:
    """One that hangs would make it learn of its loss too late."""
    me = await leader()
    me.leases.within.clear()
    me.leases.trouble = AWAY
    given: list[tuple[float, float]] = []
    before = [0]

    def look() -> None:
        left = me.elector.seconds_left
        given.extend((within or float("inf"), left) for within in me.leases.within[before[0] :])
        before[0] = len(me.leases.within)

    await me.run_for(TIMING.renew_deadline - 0.1, look)
    assert len(given) > 3
    assert all(within <= max(left, 0.1) + 1e-6 for within, left in given)


async def test_a_process_that_was_stopped_past_its_deadline_leads_no_more_before_it_does_anything() -> None:
    """Whoever asks just after it resumes is told so, and another one's Lease is left alone."""
    me = await leader()
    me.leases.now += 60.0
    assert not me.elector.leading
    assert me.elector.seconds_left < 0
    me.leases.held_by("other")
    written = len(me.leases.writes)
    await me.run_for(4.0)
    assert me.said == ["gain", "loss"]
    assert len(me.leases.writes) == written
    assert me.elector.holder == "other"


async def test_a_renewal_that_comes_too_late_begins_another_term() -> None:
    """Writes were refused meanwhile, and what was decided before is decided anew."""
    me = await leader()
    me.leases.now += 5.0
    me.leases.latency = TIMING.renew_deadline
    await me.turn()
    assert me.said == ["gain", "loss", "gain"]
    assert me.elector.term == 2


async def test_a_lease_that_another_has_taken_ends_the_term_at_once() -> None:
    """Its guards refuse our renewal."""
    me = await leader()
    me.leases.held_by("other")
    await me.turn()
    assert me.said == ["gain", "loss"]
    assert me.leases.holder == "other"


async def test_a_label_that_somebody_sets_or_an_answer_that_is_lost_ends_no_term() -> None:
    """The Lease has changed and is ours all the same: it is written once more."""
    me = await leader()
    me.leases.held_by("me")
    await me.run_for(6.0)
    assert me.said == ["gain"]
    me.leases.lost_answers = True
    await me.run_for(6.0)
    me.leases.lost_answers = False
    await me.run_for(6.0)
    assert me.said == ["gain"]
    assert me.elector.leading


async def test_a_lease_that_is_deleted_is_made_anew_by_its_leader() -> None:
    """While it leads it is its own to make."""
    me = await leader()
    me.leases.lease = None
    await me.run_for(6.0)
    assert me.leases.holder == "me"
    assert me.said == ["gain"]


async def test_a_standby_that_has_seen_a_lease_held_waits_though_it_is_deleted() -> None:
    """Its holder may not know yet."""
    leases = Leases()
    leases.held_by("other")
    me = Candidate(leases)
    await me.turn()
    leases.lease = None
    await me.run_for(14.9)
    assert me.said == []
    assert leases.lease is None
    await me.run_for(2.2)
    assert me.said == ["gain"]


async def test_a_standby_takes_a_lease_that_has_not_changed_for_its_duration_by_its_own_clock() -> None:
    """Not by the times that are written in it, which may be of another clock."""
    leases = Leases()
    leases.held_by("other")
    me = Candidate(leases)
    await me.run_for(10.0)
    leases.held_by("other")
    await me.run_for(14.9)
    assert me.said == []
    await me.run_for(2.2)
    assert me.said == ["gain"]
    assert leases.holder == "me"


@pytest.mark.parametrize("latency", [0.0, 0.4, 2.0])
async def test_two_candidates_never_lead_at_a_time(latency: float) -> None:
    """Whatever the first one misses: it stops before the other may begin."""
    leases = Leases(latency=latency)
    me, other = Candidate(leases), Candidate(leases, "other")
    await me.turn()
    both: list[float] = []

    def look() -> None:
        if me.elector.leading and other.elector.leading:
            both.append(leases.now)

    for _ in range(3):
        await other.turn()
        leases.now += 4.0
        await me.turn()
        look()
    # The first one is stopped now, and the clock goes on.
    await other.run_for(40.0, look)
    assert other.said == ["gain"]
    await me.run_for(10.0, look)
    assert me.said[:2] == ["gain", "loss"]
    assert both == []


async def test_a_lease_is_given_up_at_the_end_so_that_the_next_need_not_wait() -> None:
    """Only while it is ours for certain."""
    me = await leader()
    await me.elector.release()
    assert (me.said, me.leases.holder) == (["gain", "loss"], "")
    next_one = await leader(me.leases)
    next_one.leases.now += TIMING.renew_deadline
    written = len(next_one.leases.writes)
    await next_one.elector.release()
    assert next_one.said == ["gain", "loss"]
    assert len(next_one.leases.writes) == written
