"""From the spec of a RayCronJob to the planner's settings."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rayfleet.api.raycronjob import RayCronJobSpec, parse_spec
from rayfleet.kinds.raycronjob.settings import settings_of
from rayfleet.kinds.raycronjob.snapshot import CronSettings

CREATED = datetime(2027, 3, 1, 8, 30, 13, tzinfo=UTC)


def read(**fields: Any) -> CronSettings:
    stored = {"schedule": "0 2 * * *", "jobTemplate": {"entrypoint": "x", "ofTheFuture": None}} | fields
    spec = parse_spec(stored)
    assert isinstance(spec, RayCronJobSpec)
    return settings_of(spec, stored, CREATED)


def test_every_field_reaches_the_planner() -> None:
    """Times as durations, and the template as it is stored, with what we do not know."""
    given = read(
        timeZone="Europe/Berlin",
        suspend=True,
        concurrencyPolicy="Replace",
        startingDeadlineSeconds=90,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=0,
        jobTemplateMetadata={"labels": {"a": "b"}, "annotations": {"c": "d"}},
    )
    assert given.schedule.next_after(CREATED) == datetime(2027, 3, 2, 1, 0, tzinfo=UTC)
    assert given.schedule_text == "0 2 * * * Europe/Berlin"
    assert (given.suspended, given.policy) == (True, "Replace")
    assert given.starting_deadline == timedelta(seconds=90)
    assert (given.successful_limit, given.failed_limit) == (3, 0)
    assert (given.labels, given.annotations) == ({"a": "b"}, {"c": "d"})
    assert given.template == {"entrypoint": "x", "ofTheFuture": None}


def test_what_is_not_set_is_as_in_kuberay() -> None:
    """UTC, all RayJobs at once, none deleted, however late."""
    given = read()
    assert given.schedule.next_after(CREATED) == datetime(2027, 3, 2, 2, 0, tzinfo=UTC)
    assert given.schedule_text == "0 2 * * *"
    assert (given.suspended, given.policy, given.starting_deadline) == (False, "Allow", None)
    assert (given.successful_limit, given.failed_limit) == (None, None)


def test_periods_count_from_the_creation() -> None:
    """So they are the same for every operator."""
    given = read(schedule="@every 1h", timeZone="Asia/Tokyo")
    assert given.schedule.next_after(CREATED) == CREATED + timedelta(hours=1)
