"""From the spec of a RayCronJob to the planner's settings."""

from datetime import datetime, timedelta

from rayfleet.api.raycronjob import RayCronJobSpec
from rayfleet.api.raycronjob.schedule import parse_schedule, time_zone
from rayfleet.kinds.raycronjob.snapshot import CronSettings
from rayfleet.kube.objects.keys import JsonObject


def settings_of(spec: RayCronJobSpec, stored: JsonObject, created: datetime) -> CronSettings:
    """The settings of a valid spec, and of the JSON that it was read from."""
    late, metadata = spec.starting_deadline_seconds, spec.job_template_metadata
    return CronSettings(
        schedule=parse_schedule(spec.schedule, time_zone(spec.time_zone), created),
        schedule_text=" ".join(filter(None, (spec.schedule, spec.time_zone))),
        # As it is stored: the model leaves out what it does not know, and null.
        template=stored["jobTemplate"],
        labels=metadata.labels,
        annotations=metadata.annotations,
        suspended=spec.suspend,
        policy=spec.concurrency_policy,
        starting_deadline=None if late is None else timedelta(seconds=late),
        successful_limit=spec.successful_jobs_history_limit,
        failed_limit=spec.failed_jobs_history_limit,
    )
