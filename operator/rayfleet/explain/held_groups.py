"""Groups whose pods cannot be created, as the operator recorded them, or do not start."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from rayfleet.api.raycluster import WorkerGroupSpec
from rayfleet.api.raycluster.status import HeldReason, RayClusterStatus
from rayfleet.explain.sources import Sources
from rayfleet.kinds.raycluster.healing.coming import Coming
from rayfleet.kinds.raycluster.manifests import worker_pods
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.timestamps import unix_seconds

AGAIN_SECONDS: Final = 1.0
"""Until the next attempt: only the operator knows the exact time, and it is soon."""
_NOT_ASKED: Final = frozenset({HeldReason.CEILING, HeldReason.TEMPLATE_REFUSED})
"""Reasons for which no pod is requested; for any other reason the API server refused them."""


class HeldNote(NamedTuple):
    """Why pods of a group cannot be created."""

    reason: str
    message: str
    since: float
    """Unix seconds; 0 if not known."""


def held_note(status: RayClusterStatus, group: str) -> HeldNote | None:
    """What is recorded about a group; None if its pods can be created."""
    record = status.group(group)
    return HeldNote(record.reason, record.message, unix_seconds(record.since)) if record.reason else None


def start_fault(pods: Sequence[Pod], group: WorkerGroupSpec, now: float) -> str:
    """What keeps pods of a group from starting, for longest; empty if nothing does."""
    # Without the head's answer, pods that are merely starting have no fault.
    coming = Coming(heard=None, now=now)
    faults = [fault for pod in pods if (fault := coming.blocked(pod, group)) is not None]
    first = min(faults, key=lambda fault: fault.since, default=None)
    return "" if first is None else f"{first.reason.value}: {first.message}"


def holds(sources: Sources, status: RayClusterStatus) -> Mapping[str, Hold]:
    """Groups whose pods the API server refuses, for example because of a quota, by name."""
    return {
        group: Hold(sources.now + AGAIN_SECONDS, note.message, note.since)
        for group, note in _notes(sources, status)
        if note.reason not in _NOT_ASKED
    }


def not_asked_for(sources: Sources, status: RayClusterStatus) -> Mapping[str, str]:
    """Why no pod of a template is requested now, by template hash."""
    messages = {group: note.message for group, note in _notes(sources, status) if note.reason in _NOT_ASKED}
    if sources.spec is None or not messages:
        return {}
    return {
        worker_pods(sources.cluster, sources.spec, group).template_hash: messages[group.group_name]
        for group in sources.spec.worker_group_specs
        if group.group_name in messages
    }


def _notes(sources: Sources, status: RayClusterStatus) -> Iterator[tuple[str, HeldNote]]:
    for group in sources.spec.worker_group_specs if sources.spec is not None else ():
        note = held_note(status, group.group_name)
        if note is not None and group.group_name not in sources.withheld:
            yield group.group_name, note
