"""What happens next, and when, if nothing changes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rayfleet.explain.idle_clocks import IdleClock
from rayfleet.kinds.raycluster.plan import CreatePod, Plan


class Step(NamedTuple):
    """One action that is about to happen."""

    seconds: float
    """From now."""
    words: str
    due: bool = False
    """Whether the operator does it as soon as it sees what is seen here."""


IDLE_SHOWN = 3
"""Idle nodes that are listed individually as the next to leave."""


def next_steps(planned: Plan | None, clocks: Sequence[IdleClock]) -> tuple[Step, ...]:
    """The steps of a plan and of idle nodes, in order of time; empty without a plan."""
    if planned is None:
        return ()
    steps = [*_steps(planned), *_departures(clocks)]
    look = planned.decision.next_look if planned.decision is not None else None
    if look and all(round(step.seconds) != round(look) for step in steps):
        steps.append(Step(look, "time alone may change the decision"))
    return tuple(sorted(steps, key=lambda step: step.seconds))


def _departures(clocks: Sequence[IdleClock]) -> Iterator[Step]:
    for clock in [clock for clock in clocks if clock.goes_in][:IDLE_SHOWN]:
        yield Step(clock.goes_in or 0.0, f"Ray is asked to drain the node of pod {clock.pod}, {clock.words}")


def _steps(planned: Plan) -> Iterator[Step]:
    creates = [action for stage in planned.stages for action in stage if isinstance(action, CreatePod)]
    for (group, reason), count in Counter((pod.group, pod.reason) for pod in creates).items():
        yield Step(0.0, f"{_pods(count)} of group {group} {_are(count)} created: {reason}", due=True)
    for drain in planned.drains:
        yield Step(0.0, f"Ray is asked to drain the node of pod {drain.pod}: {drain.reason}", due=True)
    for (group, reason), count in Counter((pod.group, pod.reason) for pod in planned.deletes).items():
        yield Step(0.0, f"{_pods(count)} of group {group} {_are(count)} deleted: {reason}", due=True)
    for wait in planned.waits:
        yield Step(0.0, f"waits: {wait}")


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
