"""How fast sizes may change: modes, stabilisation windows and policies, as in autoscaling/v2."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from rayfleet.api.raycluster import ScalingPolicy, ScalingRules
from rayfleet.autoscaling.inputs import AutoscalingPolicy, Memory, Recommendation, ScaleEvent, WorkerGroup
from rayfleet.autoscaling.sizing.context import SizingContext
from rayfleet.autoscaling.words import counted

LONGEST_PERIOD: Final = 1800


class Limited(Struct, frozen=True):
    """A change after all limits."""

    replicas: int
    """How many may be added or removed now."""
    message: str = ""
    """What limits it, if anything."""
    again_in: float | None = None
    """Seconds until time alone may allow more."""


def rate_limited(group: WorkerGroup, context: SizingContext, *, size: int, asked: int, up: bool) -> Limited:
    """How many of the `asked` replicas may be added (`up`) or removed now, starting from `size`."""
    behavior = context.policy.behavior
    rules = behavior.scale_up if up else behavior.scale_down
    limits = [
        Limited(asked),
        *_disabled(rules, up=up),
        *_by_policies(group, rules, context, size, up=up),
        *_by_window(group.name, rules, context, size, up=up),
    ]
    return min(limits, key=lambda limit: limit.replicas)


def _disabled(rules: ScalingRules, *, up: bool) -> Iterable[Limited]:
    if rules.select_policy == "Disabled":
        yield Limited(0, f"behavior.{_name(up=up)}.selectPolicy is Disabled")


def _by_policies(
    group: WorkerGroup, rules: ScalingRules, context: SizingContext, size: int, *, up: bool
) -> Iterable[Limited]:
    if not rules.policies or rules.select_policy == "Disabled":
        return
    changes = context.memory.changes.get(group.name, ())
    limits = [_by_policy(group, policy, changes, context.now, size, up=up) for policy in rules.policies]
    choose = max if rules.select_policy == "Max" else min
    yield choose(limits, key=lambda limit: limit.replicas)


def _by_policy(
    group: WorkerGroup,
    policy: ScalingPolicy,
    changes: Sequence[ScaleEvent],
    now: float,
    size: int,
    *,
    up: bool,
) -> Limited:
    """Counted from the size at the start of the period; at least one replica, or nothing would change."""
    recent = [change for change in changes if now - change.time < policy.period_seconds]
    before = max(0, size - sum(change.by for change in recent))
    if policy.type == "Pods":
        allowed = max(1, policy.value // group.num_of_hosts)
    else:
        allowed = max(1, -(-before * policy.value // 100))
    net = sum(change.by for change in recent)
    done = net if up else -net
    again = min([policy.period_seconds - (now - change.time) for change in recent], default=None)
    amount = f"{policy.value}%" if policy.type == "Percent" else counted(policy.value, "pod")
    reason = f"behavior.{_name(up=up)} allows {amount} in {policy.period_seconds} s"
    return Limited(max(0, allowed - done), reason, again)


def _by_window(
    group: str, rules: ScalingRules, context: SizingContext, size: int, *, up: bool
) -> Iterable[Limited]:
    """As far as all recommendations in the window agree; those from before our memory count as `size`."""
    window = rules.stabilization_window_seconds or 0
    if not window:
        return
    memory, now = context.memory, context.now
    seen = _in_window(group, memory, now, window)
    sizes = [recommendation.replicas for recommendation in seen] or [size]
    if memory.began is None or now - memory.began < window:
        sizes.append(size)
    possible = min(sizes) - size if up else size - max(sizes)
    reason = f"behavior.{_name(up=up)}.stabilizationWindowSeconds is {window}"
    yield Limited(max(0, possible), reason, _window_ends(seen, memory, now, window))


def _name(*, up: bool) -> str:
    return "scaleUp" if up else "scaleDown"


def conservative(
    group: WorkerGroup, policy: AutoscalingPolicy, *, running: int, coming: int, asked: int
) -> Limited:
    """Conservative growth: at most as many are coming as are running, but at least one."""
    allowed = max(0, max(1, running) - coming)
    if policy.upscaling_mode != "Conservative" or allowed >= asked:
        return Limited(asked)
    return Limited(
        allowed, f"upscalingMode Conservative: at most {max(1, running)} of {group.name} may start at a time"
    )


def _in_window(name: str, memory: Memory, now: float, window: float) -> list[Recommendation]:
    """The recommendations that held at some time in the window; each holds until the next."""
    known = memory.recommendations.get(name, ())
    first = max([i for i, past in enumerate(known) if past.time <= now - window], default=0)
    return list(known[first:])


def _window_ends(seen: Sequence[Recommendation], memory: Memory, now: float, window: float) -> float:
    """Seconds until the window changes: its first recommendation leaves it, or our memory fills it."""
    starts = [recommendation.time for recommendation in seen[1:]]
    began = memory.began if memory.began is not None else now
    if now - began < window:
        starts.append(began)
    return max(0.0, min(starts, default=now) + window - now)


def remembered(
    context: SizingContext, recommended: dict[str, int], changed: dict[str, int]
) -> tuple[dict[str, tuple[Recommendation, ...]], dict[str, tuple[ScaleEvent, ...]]]:
    """The histories with this decision added, and without what is too old to matter."""
    memory, now, behavior = context.memory, context.now, context.policy.behavior
    up, down = behavior.scale_up, behavior.scale_down
    window = max(up.stabilization_window_seconds or 0, down.stabilization_window_seconds or 0)
    recommendations = {}
    for name, replicas in recommended.items() if window else ():
        seen = _in_window(name, memory, now, window)
        if not seen or seen[-1].replicas != replicas:
            seen.append(Recommendation(now, replicas))
        recommendations[name] = tuple(seen)
    changes = {}
    for name, by in changed.items() if up.policies or down.policies else ():
        recent = [change for change in memory.changes.get(name, ()) if now - change.time < LONGEST_PERIOD]
        recent += [ScaleEvent(now, by)] if by else []
        if recent:
            changes[name] = tuple(recent)
    return recommendations, changes
