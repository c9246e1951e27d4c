"""Groups whose pods cannot be created, as the operator has noted them in the status."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from rayfleet.api.raycluster.status import HeldReason, RayClusterStatus
from rayfleet.explain.sources import Sources
from rayfleet.kinds.raycluster.manifests import worker_pods
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kube.objects.timestamps import unix_seconds

AGAIN_SECONDS: Final = 1.0
"""Until the next attempt: the operator alone knows when that is, and it is not far off."""
_NOT_ASKED: Final = frozenset({HeldReason.CEILING, HeldReason.TEMPLATE_REFUSED})
"""Reasons for which the API server is not asked for pods; by any other it has refused them."""


class HeldNote(NamedTuple):
    """Why pods of a group cannot be created."""

    reason: str
    message: str
    since: float
    """Unix seconds; 0 where it is not known."""


def held_note(status: RayClusterStatus, group: str) -> HeldNote | None:
    """What is noted of a group; none where nothing is in the way of its pods."""
    noted = status.group(group)
    return HeldNote(noted.reason, noted.message, unix_seconds(noted.since)) if noted.reason else None


def holds(sources: Sources, status: RayClusterStatus) -> Mapping[str, Hold]:
    """By name, the groups whose pods the API server refuses, such as for a quota."""
    return {
        group: Hold(sources.now + AGAIN_SECONDS, note.message, note.since)
        for group, note in _notes(sources, status)
        if note.reason not in _NOT_ASKED
    }


def not_asked_for(sources: Sources, status: RayClusterStatus) -> Mapping[str, str]:
    """By template hash, those of which no pod is asked for now, and why."""
    words = {group: note.message for group, note in _notes(sources, status) if note.reason in _NOT_ASKED}
    if sources.spec is None or not words:
        return {}
    return {
        worker_pods(sources.cluster, sources.spec, group).template_hash: words[group.group_name]
        for group in sources.spec.worker_group_specs
        if group.group_name in words
    }


def _notes(sources: Sources, status: RayClusterStatus) -> Iterator[tuple[str, HeldNote]]:
    for group in sources.spec.worker_group_specs if sources.spec is not None else ():
        note = held_note(status, group.group_name)
        if note is not None and group.group_name not in sources.withheld:
            yield group.group_name, note
