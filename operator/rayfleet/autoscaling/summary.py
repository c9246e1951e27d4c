"""The decision in one sentence, for the status: it changes only when the decision does."""

from collections.abc import Mapping, Sequence

from rayfleet.autoscaling import words
from rayfleet.autoscaling.decision import DemandAnswer, DemandHold, DemandKind, GroupDecision

_MOST = 3


def summary_of(groups: Sequence[GroupDecision], answers: Sequence[DemandAnswer], *, known: bool) -> str:
    """Sizes, and what waits for what. No times, and no counts of tasks, which move all the time."""
    sizes = ", ".join(f"{group.name} {group.wanted}" for group in groups) or "no worker groups"
    said = [f"Wanted: {sizes}."]
    if not known:
        said.append("Ray's state is not known, so nothing shrinks.")
    reasons = {id(answer.holds): answer.holds for answer in answers if answer.holds}
    held = _told_apart(answers, reasons)
    told = {hold.words for holds in reasons.values() for hold in holds}
    late = dict.fromkeys(
        group.blocked for group in groups if group.late and group.blocked and group.blocked not in told
    )
    said += [_held(answer) for answer in held[:_MOST]]
    said += [f"Pods do not come: {words}." for words in late][: _MOST - len(held[:_MOST])]
    if len(held) + len(late) > _MOST:
        said.append(f"And {len(held) + len(late) - _MOST} more.")
    return " ".join(said)


def _told_apart(
    answers: Sequence[DemandAnswer], reasons: Mapping[int, tuple[DemandHold, ...]]
) -> list[DemandAnswer]:
    """One of each of those that would be told of in the same words.

    The words of all of them are not kept: thousands of entries with a hundred reasons each take megabytes.
    """
    whys = {which: hash(_why(holds)) for which, holds in reasons.items()}
    found: dict[tuple[DemandKind, str, int], DemandAnswer] = {}
    for answer in answers:
        if answer.holds:
            found.setdefault((answer.kind, words.shape(answer.shape), whys[id(answer.holds)]), answer)
    return list(found.values())


def _why(holds: Sequence[DemandHold]) -> str:
    return "; ".join([hold.words for hold in holds])


def _held(answer: DemandAnswer) -> str:
    what = {
        DemandKind.TASKS: "Tasks of",
        DemandKind.GANG: "A gang with bundles of",
        DemandKind.CONSTRAINT: "request_resources for",
    }[answer.kind]
    waits = "wait" if answer.kind is DemandKind.TASKS else "waits"
    return f"{what} {words.shape(answer.shape)} {waits}: {_why(answer.holds)}."
