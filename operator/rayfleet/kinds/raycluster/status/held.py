"""Why pods of a group cannot be created: the reason, its words and its time, in the group's status."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import HeldReason, WorkerGroupStatus
from rayfleet.autoscaling import BlockedReason
from rayfleet.kinds.raycluster.healing.coming import refusal
from rayfleet.kinds.raycluster.plan import Plan
from rayfleet.kinds.raycluster.plan.units import factory_of
from rayfleet.kinds.raycluster.snapshot import Hold, Snapshot
from rayfleet.kinds.raycluster.status.conditions import rfc3339
from rayfleet.kinds.raycluster.status.cuts import cut

LONGEST: Final = 512
"""Characters of a message."""
_LIMITS: Final = {
    BlockedReason.QUOTA_EXCEEDED: HeldReason.QUOTA_EXCEEDED,
    BlockedReason.LIMIT_RANGE: HeldReason.LIMIT_RANGE,
}


def held_groups(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> dict[str, WorkerGroupStatus]:
    """By name, `reason`, `message` and `since` of each group that has them."""
    if not (snapshot.held or snapshot.refused or plan.held):
        return {}  # As it is nearly always.
    ceilings = zip(plan.held, plan.held_words, strict=False)
    found = {group: _told(snapshot, group, HeldReason.CEILING, words) for (group, _), words in ceilings}
    for group, words in _refused(snapshot, spec, plan):
        found[group] = _told(snapshot, group, HeldReason.TEMPLATE_REFUSED, words)
    for group, hold in snapshot.held.items():
        found[group] = _told(snapshot, group, _reason_of(hold), hold.words, hold.since)
    return found


def _reason_of(hold: Hold) -> HeldReason:
    """What the API server has against the pods."""
    return _LIMITS.get(refusal(hold).reason, HeldReason.FAILED_CREATE)


def _refused(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> Iterator[tuple[str, str]]:
    """Groups that lack pods, and whose template the API server does not take, with its words."""
    if not snapshot.refused:
        return
    there = Counter(pod.group for pod in snapshot.pods if pod.active)
    for group in spec.worker_group_specs:
        if there[group.group_name] < plan.pods(group):
            words = snapshot.refused.get(factory_of(snapshot, spec, group).template_hash)
            if words is not None:
                yield group.group_name, words


def _told(
    snapshot: Snapshot, group: str, reason: HeldReason, words: str, since: float = 0.0
) -> WorkerGroupStatus:
    """`since`: Unix seconds, where it is known; else it is since the status first said so."""
    noted = snapshot.recorded.group(group)
    told = noted.since if noted.reason == reason else None
    at = rfc3339(since) if since else told or rfc3339(snapshot.now)
    return WorkerGroupStatus(group_name=group, reason=str(reason), message=cut(words, LONGEST), since=at)
