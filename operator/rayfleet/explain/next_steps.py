"""What happens next, and when, if nothing changes meanwhile."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rayfleet.explain.idle_clocks import IdleClock
from rayfleet.kinds.raycluster.plan import CreatePod, Plan


class Step(NamedTuple):
    """One thing that is about to happen."""

    seconds: float
    """From now."""
    words: str


IDLE_TOLD = 3
"""Nodes that are told of one by one as the next to go."""


def next_steps(planned: Plan | None, clocks: Sequence[IdleClock]) -> tuple[Step, ...]:
    """The steps of a plan and of idle nodes, in the order of their time; none without a plan."""
    if planned is None:
        return ()
    found = [*_steps(planned), *_departures(clocks)]
    look = planned.decision.next_look if planned.decision is not None else None
    if look and all(round(step.seconds) != round(look) for step in found):
        found.append(Step(look, "time alone may change what is decided"))
    return tuple(sorted(found, key=lambda step: step.seconds))


def _departures(clocks: Sequence[IdleClock]) -> Iterator[Step]:
    for clock in [one for one in clocks if one.goes_in][:IDLE_TOLD]:
        words = f"Ray is asked to give up the node of pod {clock.pod}, {clock.words}"
        yield Step(clock.goes_in or 0.0, words)


def _steps(planned: Plan) -> Iterator[Step]:
    creates = [one for stage in planned.stages for one in stage if isinstance(one, CreatePod)]
    for (group, reason), count in Counter((one.group, one.reason) for one in creates).items():
        yield Step(0.0, f"{_pods(count)} of group {group} {_are(count)} created: {reason}")
    for drain in planned.drains:
        yield Step(0.0, f"Ray is asked to give up the node of pod {drain.pod}: {drain.reason}")
    for (group, reason), count in Counter((one.group, one.reason) for one in planned.deletes).items():
        yield Step(0.0, f"{_pods(count)} of group {group} {_are(count)} deleted: {reason}")
    for wait in planned.waits:
        yield Step(0.0, f"waits: {wait}")


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
