"""The last thing that was heard of a Ray head, and whether an answer says anything new. No I/O here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from rayfleet.api.names import HEAD_GROUP
from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.ray.inventory import DeathCause
from rayfleet.ray.polling.deaths import NONE_KNOWN
from rayfleet.ray.polling.schedule import STALE_SECONDS
from rayfleet.ray.state import NodeStatus, RayNode, RayState, Resources

_OBJECT_STORE = "object_store_memory"


class Moment(NamedTuple):
    """A time, by both clocks: one for words and other processes, one for how long ago it was."""

    unix: float
    monotonic: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one cluster from its head. Unknown is not zero: `state` may be old."""

    uid: str
    """Of the cluster."""
    state: RayState | None = None
    """The last answer that was understood, also while the head is out of reach; none before the first."""
    taken: Moment | None = None
    """When that was."""
    session_since: Moment | None = None
    """When `state.session` was first seen."""
    failure: GcsFailure | None = None
    """Why the last question was not answered; none where it was."""
    unknown_since: Moment | None = None
    """When the first question in a row was not answered; none where the last one was."""
    deaths: Mapping[bytes, DeathCause] = field(default_factory=lambda: NONE_KNOWN)
    """Why nodes of `state` are dead whose pods live on."""


def of_pod(answer: RayState | GcsFailure, pod: str) -> RayState | GcsFailure:
    """The answer, where it is that of the head in `pod`: an address may have become another's meanwhile."""
    if isinstance(answer, GcsFailure) or not pod:
        return answer
    heads = [n for n in answer.nodes if n.group == HEAD_GROUP and n.status is not NodeStatus.DEAD]
    if any(node.instance_id == pod for node in heads):
        return answer
    words = f"it is not that of pod {pod}: no head node of that name is alive in it"
    return GcsFailure(GcsTrouble.INVALID, words)


def observed(
    before: Observation,
    answer: RayState | GcsFailure,
    moment: Moment,
    deaths: Mapping[bytes, DeathCause] = NONE_KNOWN,
) -> tuple[Observation, bool]:
    """What is known now, and whether anything is new that a decision looks at."""
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
    # One that came too late for the last to be decided by until then ends that.
    fresh = before.taken is not None and moment.unix - before.taken.unix <= STALE_SECONDS
    told = fresh and before.failure is None and before.deaths == deaths
    return after, not told or known is None or differs(known, answer)


def without_answer(before: Observation, failure: GcsFailure, moment: Moment) -> Observation:
    """What is known once the last answer is not kept any more."""
    after, _ = observed(before, failure, moment)
    return replace(after, state=None, taken=None, deaths=NONE_KNOWN)


def differs(before: RayState, after: RayState) -> bool:
    """Whether a decision may come out otherwise: idle clocks, versions and words say nothing new."""
    if (before.session, before.demands, before.gangs, before.constraints) != (
        after.session,
        after.demands,
        after.gangs,
        after.constraints,
    ):
        return True
    # What is free matters to what waits, and to nobody else.
    waits = bool(after.demands or after.gangs)
    return len(before.nodes) != len(after.nodes) or any(
        _facts(old) != _facts(new) or (waits and _free(old.available) != _free(new.available))
        for old, new in zip(before.nodes, after.nodes, strict=True)
    )


def _facts(node: RayNode) -> tuple[bytes, str, str, NodeStatus, Resources, tuple[tuple[str, str], ...]]:
    return node.node_id, node.instance_id, node.group, node.status, node.total, node.labels


def _free(available: Resources) -> Resources:
    """Without the object store, which every object moves."""
    return tuple(each for each in available if each[0] != _OBJECT_STORE)
