"""The decision in one sentence, for the status: it changes only when the decision does."""

from collections.abc import Sequence

from rayfleet.autoscaling import words
from rayfleet.autoscaling.decision import Answer, DemandKind, GroupDecision

_MOST = 3


def summary_of(groups: Sequence[GroupDecision], answers: Sequence[Answer], *, known: bool) -> str:
    """Sizes, and what waits for what. No times, and no counts of tasks, which move all the time."""
    sizes = ", ".join(f"{group.name} {group.wanted}" for group in groups) or "no worker groups"
    said = [f"Wanted: {sizes}."]
    if not known:
        said.append("Ray's state is not known, so nothing shrinks.")
    held = dict.fromkeys(_held(answer) for answer in answers if answer.holds)
    told = {hold.words for answer in answers for hold in answer.holds}
    late = [group.blocked for group in groups if group.late and group.blocked and group.blocked not in told]
    held |= dict.fromkeys(f"Pods do not come: {words}." for words in late)
    said += list(held)[:_MOST]
    if len(held) > _MOST:
        said.append(f"And {len(held) - _MOST} more.")
    return " ".join(said)


def _held(answer: Answer) -> str:
    what = {
        DemandKind.TASKS: "Tasks of",
        DemandKind.GANG: "A gang with bundles of",
        DemandKind.CONSTRAINT: "request_resources for",
    }[answer.kind]
    why = "; ".join(hold.words for hold in answer.holds)
    waits = "wait" if answer.kind is DemandKind.TASKS else "waits"
    return f"{what} {words.shape(answer.shape)} {waits}: {why}."
