"""Which finished RayJobs are deleted, by the history limits."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rayfleet.kinds.raycronjob.actions import DeleteJob, RemovalCause
from rayfleet.kinds.raycronjob.snapshot import ChildJob, CronRecord, CronSettings, CronSnapshot

_MOST_AT_ONCE: Final = 50
"""Deletes of one pass: a limit may be set when thousands have finished."""


class Surplus(NamedTuple):
    """What the limits leave no room for."""

    deletes: tuple[DeleteJob, ...]
    more: bool
    """Whether there is more to delete soon, without any other event."""


def plan_history(snapshot: CronSnapshot, settings: CronSettings) -> Surplus:
    """The oldest finished RayJobs beyond the limits.

    One that holds resources stays: with it the cluster would go, on which somebody may be working. One that
    the status does not reflect yet stays, too, as its tick might be started again.
    """
    surplus = [*_surplus(snapshot, settings, succeeded=True), *_surplus(snapshot, settings, succeeded=False)]
    recorded = [child for child in surplus if _is_recorded(child, snapshot.record)]
    deletes = tuple(
        DeleteJob(child.name, child.uid, RemovalCause.HISTORY, _reason(child, settings))
        for child in recorded[:_MOST_AT_ONCE]
    )
    return Surplus(deletes, more=len(deletes) < len(surplus))


def _surplus(snapshot: CronSnapshot, settings: CronSettings, *, succeeded: bool) -> Iterator[ChildJob]:
    limit = settings.successful_limit if succeeded else settings.failed_limit
    if limit is None:
        return
    finished = [child for child in snapshot.children if child.finished and not child.deleting]
    kind = [child for child in finished if child.succeeded is succeeded]
    newest_first = sorted(kind, key=lambda child: (child.tick or child.created, child.name), reverse=True)
    yield from (child for child in newest_first[limit:] if not child.holds_resources)


def _is_recorded(child: ChildJob, record: CronRecord) -> bool:
    """Whether the status says all that it will have to say of this RayJob."""
    if child.name in record.active:
        return False
    if child.tick is not None and (record.last_schedule is None or record.last_schedule < child.tick):
        return False
    if not child.succeeded or child.finished_at is None:
        return True
    finished_at = child.finished_at.replace(microsecond=0)  # As the status has it.
    return record.last_successful is not None and record.last_successful >= finished_at


def _reason(child: ChildJob, settings: CronSettings) -> str:
    if child.succeeded:
        return f"successfulJobsHistoryLimit is {settings.successful_limit}"
    return f"failedJobsHistoryLimit is {settings.failed_limit}"
