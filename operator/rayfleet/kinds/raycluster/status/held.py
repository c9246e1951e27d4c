"""Why pods of a group cannot be created: reason, message and time, in the group's status."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import HeldReason, WorkerGroupStatus
from rayfleet.autoscaling import BlockedReason
from rayfleet.autoscaling.words import cut
from rayfleet.engine.conditions import rfc3339
from rayfleet.kinds.raycluster.healing.coming import refusal
from rayfleet.kinds.raycluster.plan import Plan
from rayfleet.kinds.raycluster.plan.units import factory_of
from rayfleet.kinds.raycluster.snapshot import Hold, Snapshot

LONGEST: Final = 512
"""Characters of a message."""
_LIMITS: Final = {
    BlockedReason.QUOTA_EXCEEDED: HeldReason.QUOTA_EXCEEDED,
    BlockedReason.LIMIT_RANGE: HeldReason.LIMIT_RANGE,
}


def held_groups(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> dict[str, WorkerGroupStatus]:
    """`reason`, `message` and `since` of each group that has them, by name."""
    if not (snapshot.held or snapshot.refused or plan.held):
        return {}  # Nearly always.
    ceilings = zip(plan.held, plan.held_words, strict=False)
    held = {group: _status(snapshot, group, HeldReason.CEILING, message) for (group, _), message in ceilings}
    for group, message in _refused(snapshot, spec, plan):
        held[group] = _status(snapshot, group, HeldReason.TEMPLATE_REFUSED, message)
    for group, hold in snapshot.held.items():
        held[group] = _status(snapshot, group, _reason_of(hold), hold.words, hold.since)
    return held


def _reason_of(hold: Hold) -> HeldReason:
    """Why the API server refuses the pods."""
    return _LIMITS.get(refusal(hold).reason, HeldReason.FAILED_CREATE)


def _refused(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> Iterator[tuple[str, str]]:
    """Groups that lack pods and whose template the API server refuses, with its message."""
    if not snapshot.refused:
        return
    present = Counter(pod.group for pod in snapshot.pods if pod.active)
    for group in spec.worker_group_specs:
        if present[group.group_name] < plan.pods(group):
            message = snapshot.refused.get(factory_of(snapshot, spec, group).template_hash)
            if message is not None:
                yield group.group_name, message


def _status(
    snapshot: Snapshot, group: str, reason: HeldReason, message: str, since: float = 0.0
) -> WorkerGroupStatus:
    """`since`: Unix seconds, if known; otherwise the time in the status, or now."""
    stored = snapshot.recorded.group(group)
    earlier = stored.since if stored.reason == reason else None
    at = rfc3339(since) if since else earlier or rfc3339(snapshot.now)
    return WorkerGroupStatus(group_name=group, reason=str(reason), message=cut(message, LONGEST), since=at)
