"""How much of the growth that demand asks for is started now."""

from collections.abc import Mapping, Sequence

from rayfleet.autoscaling.decision import DemandHold, HoldKind
from rayfleet.autoscaling.placing.packing import Packing
from rayfleet.autoscaling.sizing.changes import Change
from rayfleet.autoscaling.sizing.context import SizingContext
from rayfleet.autoscaling.sizing.rates import Limited, conservative, rate_limited


def ask(
    changes: Sequence[Change],
    packing: Packing,
    floors: Mapping[int, int],
    before: Mapping[str, int] | None,
) -> None:
    """Set what each group should grow by: no further than `before`, if that still holds, or its floor."""
    for at, change in enumerate(changes):
        change.asked = packing.new[at]
        if before is not None:
            meant = before.get(change.census.group.name, 0) - change.census.present
            change.asked = min(change.asked, max(meant, floors.get(at, 0)))


def grow(
    changes: Sequence[Change],
    packing: Packing,
    floors: Mapping[int, int],
    context: SizingContext,
) -> None:
    """Set what each group starts. What a floor asks for waits for the limit on GPUs, but not for a window."""
    for at, change in enumerate(changes):
        floor = min(floors.get(at, 0), change.asked)
        _limit(change, floor, context)
    limit = context.policy.new_gpus
    if limit is None:
        return
    missing = sum(c.census.missing * t.gpus for c, t in zip(changes, packing.templates, strict=True))
    left = max(0, limit.gpus_left - missing)
    for change, template in sorted(
        zip(changes, packing.templates, strict=True),
        key=lambda pair: (-pair[0].census.group.priority, pair[0].census.group.name),
    ):
        if template.gpus and change.started * template.gpus > left:
            change.started = left // template.gpus
            change.rate = DemandHold(HoldKind.RATE, f"{change.census.group.name}: {limit.message}")
        left -= change.started * template.gpus


def _limit(change: Change, floor: int, context: SizingContext) -> None:
    census, asked = change.census, change.asked - floor
    group = census.group
    running = sum(
        all(worker.name in context.joined for worker in workers) for workers in census.replicas.values()
    )
    coming = census.present - running + floor
    limits: list[Limited] = [
        conservative(group, context.policy, running=running, coming=coming, asked=asked),
        rate_limited(group, context, size=census.present + floor, asked=asked, up=True),
    ]
    tightest = min(limits, key=lambda limit: limit.replicas)
    change.started = floor + tightest.replicas
    if tightest.replicas < asked:
        change.rate = DemandHold(HoldKind.RATE, f"{group.name}: {tightest.message}")
        if tightest.again_in is not None:
            change.again_in.append(tightest.again_in)
