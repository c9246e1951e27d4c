"""The decision in one sentence, for the status: it changes only when the decision does."""

from collections.abc import Mapping, Sequence

from rayfleet.autoscaling import words
from rayfleet.autoscaling.decision import DemandAnswer, DemandHold, DemandKind, GroupDecision

_MOST = 3


def summary_of(groups: Sequence[GroupDecision], answers: Sequence[DemandAnswer], *, known: bool) -> str:
    """Sizes, and what waits for what. No times, and no counts of tasks, which change all the time."""
    sizes = ", ".join(f"{group.name} {group.wanted}" for group in groups) or "no worker groups"
    sentences = [f"Desired: {sizes}."]
    if not known:
        sentences.append("Ray's state is unknown, so nothing shrinks.")
    reasons = {id(answer.holds): answer.holds for answer in answers if answer.holds}
    held = _distinct(answers, reasons)
    given = {hold.message for holds in reasons.values() for hold in holds}
    late = dict.fromkeys(
        group.blocked for group in groups if group.late and group.blocked and group.blocked not in given
    )
    sentences += [_held(answer) for answer in held[:_MOST]]
    sentences += [f"Pods are blocked: {reason}." for reason in late][: _MOST - len(held[:_MOST])]
    if len(held) + len(late) > _MOST:
        sentences.append(f"And {len(held) + len(late) - _MOST} more.")
    return " ".join(sentences)


def _distinct(
    answers: Sequence[DemandAnswer], reasons: Mapping[int, tuple[DemandHold, ...]]
) -> list[DemandAnswer]:
    """One of each set of answers with the same sentence.

    The sentences are not kept: thousands of entries with a hundred reasons each would take megabytes.
    """
    whys = {which: hash(_why(holds)) for which, holds in reasons.items()}
    first: dict[tuple[str, int], DemandAnswer] = {}
    for answer in answers:
        if answer.holds:
            first.setdefault((_subject(answer), whys[id(answer.holds)]), answer)
    return list(first.values())


def _why(holds: Sequence[DemandHold]) -> str:
    return "; ".join([hold.message for hold in holds])


def _held(answer: DemandAnswer) -> str:
    waits = "wait" if answer.kind is DemandKind.TASKS else "waits"
    return f"{_subject(answer)} {waits}: {_why(answer.holds)}."


def _subject(answer: DemandAnswer) -> str:
    what = {
        DemandKind.TASKS: "Tasks of",
        DemandKind.GANG: f"A gang of {answer.count} x",
        DemandKind.CONSTRAINT: "request_resources for",
    }[answer.kind]
    return f"{what} {words.shape(answer.shape)}"
