"""The spec of a RayCronJob."""

from typing import Literal, TypeAlias

from pydantic import Field

from rayfleet.api.base import ApiModel, Boolean, NonNegativeInteger
from rayfleet.api.rayjob.spec import RayJobSpec

ConcurrencyPolicy: TypeAlias = Literal["Allow", "Forbid", "Replace"]


class JobTemplateMetadata(ApiModel):
    """What the created RayJobs have besides the labels and annotations of the operator."""

    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels, such as the name of a Kueue queue."
    )
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations.")


class RayCronJobSpec(ApiModel):
    """RayJobs that are created on a schedule."""

    schedule: str = Field(
        description="When RayJobs are created: minute, hour, day of month, month and day of week as in cron,"
        " a name such as `@daily`, or `@every` with a duration."
    )
    time_zone: str | None = Field(
        default=None,
        json_schema_extra={"minLength": 1},
        description="Time zone of the schedule, by its IANA name; UTC if unset.",
    )
    job_template: RayJobSpec = Field(description="The spec of the RayJobs.")
    job_template_metadata: JobTemplateMetadata = Field(
        default_factory=JobTemplateMetadata, description="Labels and annotations of the RayJobs."
    )
    suspend: Boolean = Field(
        default=False, description="Whether no RayJob is created for now; those that run go on."
    )
    concurrency_policy: ConcurrencyPolicy = Field(
        default="Allow",
        description="What happens when it is time and an earlier RayJob still runs: both run, the new one is"
        " left out, or it replaces the other.",
    )
    starting_deadline_seconds: NonNegativeInteger | None = Field(
        default=None,
        description="How late a RayJob may be created; if unset, the last missed one is, however late.",
    )
    successful_jobs_history_limit: NonNegativeInteger | None = Field(
        default=None, description="How many RayJobs that succeeded are kept; all if unset."
    )
    failed_jobs_history_limit: NonNegativeInteger | None = Field(
        default=None, description="How many RayJobs that failed are kept; all if unset."
    )
