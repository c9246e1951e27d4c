"""What the status remembers after a pass."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from rayfleet.engine.outcome import Outcome, Succeeded
from rayfleet.kinds.raycronjob.actions import CreateJob, CronPlan
from rayfleet.kinds.raycronjob.plan.ticks import last_started
from rayfleet.kinds.raycronjob.snapshot import CronRecord, CronSnapshot


def record_after(snapshot: CronSnapshot, plan: CronPlan, outcomes: Sequence[Outcome]) -> CronRecord:
    """The record, given a snapshot taken after the plan was carried out."""
    before, settings = snapshot.record, snapshot.settings
    record = replace(
        before,
        reported=True,
        last_schedule=_latest(last_started(snapshot), *_created(outcomes)),
        last_successful=_latest(
            before.last_successful,
            *(child.finished_at for child in snapshot.children if child.succeeded),
        ),
        active=frozenset(child.name for child in snapshot.children if child.running),
    )
    if settings is None:
        return record
    moment = plan.counted_from or before.counted_from
    return replace(
        record,
        schedule_text=settings.schedule_text,
        suspended=settings.suspended,
        # A moment in the future is from before the clock was set back.
        counted_from=None if moment is None else min(moment, snapshot.now),
    )


def _created(outcomes: Sequence[Outcome]) -> list[datetime]:
    """The ticks whose RayJobs have been created, by this pass or an earlier one."""
    done = (outcome.action for outcome in outcomes if isinstance(outcome, Succeeded))
    return [action.tick for action in done if isinstance(action, CreateJob)]


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
