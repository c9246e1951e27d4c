"""Jobs as Ray's job API knows them, and what it answers about them. No I/O here."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, field

from rayfleet.errors import DashboardFailure

TERMINAL: Final = frozenset({"STOPPED", "SUCCEEDED", "FAILED"})
"""The statuses after which nothing follows. Before: PENDING, RUNNING."""


class JobDetails(Struct, frozen=True):
    """What Ray says about a submitted job. Texts are cut, and hold no control characters."""

    submission_id: str
    status: str
    """Passed on as it is: a later Ray may know others."""
    message: str = ""
    """What happened, for people; of a failed job with the last lines of its driver."""
    error_type: str = ""
    """A code for why it failed, such as `JOB_SUPERVISOR_ACTOR_DIED`; empty in the oldest releases."""
    start_time: int | None = None
    """Milliseconds since 1970 of the submission: Ray sets it before the driver runs."""
    end_time: int | None = None
    """Milliseconds since 1970."""
    job_id: str = ""
    """Ray's id of the driver; empty before it has connected."""
    driver_node_id: str = ""
    """Ray's id, in hex, of the node where the driver runs or ran."""
    driver_exit_code: int | None = None
    """Negative for a signal; None before the driver has ended, or if nobody saw how."""

    @property
    def terminal(self) -> bool:
        """Whether the job is over."""
        return self.status in TERMINAL


class UnknownJob(Struct, frozen=True):
    """Ray has no such job: it was never submitted, or the head has forgotten it."""

    submission_id: str


class JobListing(Struct, frozen=True):
    """The jobs of a head that were asked for. One that is absent is unknown to Ray."""

    jobs: Mapping[str, JobDetails | DashboardFailure]
    """By submission id; a failure if what Ray says of this job makes no sense."""
    size: int
    """Bytes of the list of all jobs. A head needs 0.8 ms for a kilobyte."""


class JobAccepted(Struct, frozen=True):
    """Ray has the job now."""

    submission_id: str


class AlreadySubmitted(Struct, frozen=True):
    """Ray has a job with this id, maybe from an earlier attempt whose answer was lost."""

    submission_id: str


class JobStopped(Struct, frozen=True):
    """The answer to a request to stop a job."""

    submission_id: str
    stopping: bool
    """Whether Ray stops it now; false if it was over."""


class JobSubmitRequest(Struct, frozen=True, omit_defaults=True):
    """A job to submit, by the names of Ray's API. What is empty or zero is not sent."""

    entrypoint: str
    submission_id: str
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    entrypoint_num_cpus: float = 0.0
    entrypoint_num_gpus: float = 0.0
    entrypoint_memory: int = 0
    """Bytes."""
    entrypoint_resources: Mapping[str, float] = field(default_factory=dict)
    entrypoint_label_selector: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"JobSubmitRequest({self.submission_id!r})"  # Not the environment, which may hold secrets.


JobAnswer: TypeAlias = JobDetails | UnknownJob | DashboardFailure
"""The answer to a question about one job."""
