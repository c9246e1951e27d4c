"""What happens next, and when, if nothing changes meanwhile."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from rayfleet.plan import CreatePod, Plan


class Step(NamedTuple):
    """One thing that is about to happen."""

    seconds: float
    """From now."""
    words: str


def next_steps(planned: Plan | None) -> tuple[Step, ...]:
    """The steps of a plan, in the order of their time; none without one."""
    return tuple(_steps(planned)) if planned is not None else ()


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
    decision = planned.decision
    if decision is not None and decision.next_look:
        yield Step(decision.next_look, "time alone may change what is decided")


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
