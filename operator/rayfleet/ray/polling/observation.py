"""The last answer of a Ray head, and whether an answer brings anything new. No I/O here."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP
from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling.deaths import NONE_KNOWN
from rayfleet.ray.polling.schedule import STALE_SECONDS
from rayfleet.ray.state import NodeStatus, RayNode, RayState, Resources

_OBJECT_STORE = "object_store_memory"


class Moment(NamedTuple):
    """A time by two clocks: Unix time for messages and other processes, monotonic time for durations."""

    unix: float
    monotonic: float


class Observation(Struct, frozen=True):
    """What one cluster's head has reported. Unknown is not zero: `state` may be old."""

    uid: str
    """The cluster's uid."""
    state: RayState | None = None
    """The last valid answer, also while the head is unreachable; None before the first."""
    taken: Moment | None = None
    """When `state` was received."""
    session_since: Moment | None = None
    """When `state.session` was first seen."""
    failure: GcsFailure | None = None
    """Why the last poll was not answered; None if it was."""
    unknown_since: Moment | None = None
    """When the first of a row of polls was not answered; None if the last one was."""
    deaths: Mapping[bytes, DeathCause] = field(default_factory=lambda: NONE_KNOWN)
    """Why nodes of `state` are dead whose pods are still running."""

    def state_at(self, monotonic: float) -> RayState | None:
        """The last answer; None if it is too old at that time."""
        if self.taken is None or monotonic - self.taken.monotonic > STALE_SECONDS:
            return None
        return self.state


def of_pod(answer: RayState | GcsFailure, pod: str) -> RayState | GcsFailure:
    """The answer if it comes from the head in `pod`: its address may belong to another pod by now."""
    if isinstance(answer, GcsFailure) or not pod:
        return answer
    heads = [n for n in answer.nodes if n.group == HEAD_GROUP and n.status is not NodeStatus.DEAD]
    if any(node.instance_id == pod for node in heads):
        return answer
    message = f"the answer is not from pod {pod}: it has no live head node of that name"
    return GcsFailure(GcsTrouble.INVALID, message)


def observed(
    before: Observation,
    answer: RayState | GcsFailure,
    moment: Moment,
    deaths: Mapping[bytes, DeathCause] = NONE_KNOWN,
) -> tuple[Observation, bool]:
    """The new observation, and whether anything that a decision depends on has changed."""
    if isinstance(answer, GcsFailure):
        same = before.failure is not None and before.failure.trouble is answer.trouble
        return replace(before, failure=answer, unknown_since=before.unknown_since or moment), not same
    known = before.state
    renewed = known is None or known.session != answer.session
    after = Observation(
        uid=before.uid,
        state=answer,
        taken=moment,
        session_since=moment if renewed else before.session_since,
        deaths=deaths,
    )
    # An answer after a stale one is a change, even if it is equal: decisions are possible again.
    fresh = before.taken is not None and moment.unix - before.taken.unix <= STALE_SECONDS
    usable = fresh and before.failure is None and before.deaths == deaths
    return after, not usable or known is None or differs(known, answer)


def without_answer(before: Observation, failure: GcsFailure, moment: Moment) -> Observation:
    """The observation after its last answer has been dropped."""
    after, _ = observed(before, failure, moment)
    return replace(after, state=None, taken=None, deaths=NONE_KNOWN)


def differs(before: RayState, after: RayState) -> bool:
    """Whether a decision may come out differently: idle times, versions and texts do not matter."""
    if (before.session, before.demands, before.gangs, before.constraints) != (
        after.session,
        after.demands,
        after.gangs,
        after.constraints,
    ):
        return True
    # What is free matters only to what waits.
    waits = bool(after.demands or after.gangs)
    return len(before.nodes) != len(after.nodes) or any(
        _facts(old) != _facts(new) or (waits and _free(old.available) != _free(new.available))
        for old, new in zip(before.nodes, after.nodes, strict=True)
    )


def _facts(node: RayNode) -> tuple[bytes, str, str, NodeStatus, Resources, tuple[tuple[str, str], ...]]:
    return node.node_id, node.instance_id, node.group, node.status, node.total, node.labels


def _free(available: Resources) -> Resources:
    """`available` without the object store, which changes with every object."""
    return tuple(each for each in available if each[0] != _OBJECT_STORE)
