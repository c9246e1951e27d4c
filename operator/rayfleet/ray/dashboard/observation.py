"""What is known of the jobs on a head, and whether an answer brings anything new. No I/O here."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.errors import DashboardFailure
from rayfleet.ray.dashboard.jobs import JobAnswer, JobDetails, UnknownJob
from rayfleet.ray.polling.observation import Moment

BRIEF: Final = 200
"""Characters of a message that are always kept."""
BYTES_OF_A_CHARACTER: Final = 4
"""In memory, at most."""


class JobSeen(Struct, frozen=True):
    """What a head has said about one job. Unknown is not gone: `answer` may be old."""

    answer: JobDetails | UnknownJob | None = None
    """The last valid answer, also while the head is silent; None before the first."""
    taken: Moment | None = None
    """When `answer` was received."""
    failure: DashboardFailure | None = None
    """Why the last question was not answered; None if it was."""
    unknown_since: Moment | None = None
    """When the first of a row of questions was not answered; None if the last one was."""


class JobsSeen(Struct, frozen=True):
    """What one cluster's head has said about the jobs that somebody asks for."""

    uid: str
    """The cluster's uid."""
    jobs: Mapping[str, JobSeen]
    """By submission id. One that is absent has not been asked for yet."""


NOT_SEEN: Final = JobSeen()


def seen_after(before: JobSeen, answer: JobAnswer, moment: Moment) -> tuple[JobSeen, bool]:
    """What is known after an answer, and whether anything has changed that a decision depends on."""
    if isinstance(answer, DashboardFailure):
        same = before.failure is not None and before.failure.trouble is answer.trouble
        return replace(before, failure=answer, unknown_since=before.unknown_since or moment), not same
    after = JobSeen(answer, moment)
    return after, before.failure is not None or facts(before.answer) != facts(answer)


def facts(answer: JobDetails | UnknownJob | None) -> tuple[Any, ...] | None:
    """What decisions depend on: texts for people do not matter."""
    if not isinstance(answer, JobDetails):
        return None if answer is None else ()
    return (
        answer.status,
        answer.error_type,
        answer.start_time,
        answer.end_time,
        answer.job_id,
        answer.driver_node_id,
        answer.driver_exit_code,
    )


def room_for(answer: JobAnswer) -> int:
    """Bytes of its message that may be dropped, at most; 0 if it is brief."""
    if not isinstance(answer, JobDetails) or len(answer.message) <= BRIEF:
        return 0
    return len(answer.message) * BYTES_OF_A_CHARACTER


def brief(seen: JobSeen) -> JobSeen:
    """The same with the start of the message only."""
    if not isinstance(seen.answer, JobDetails):
        return seen
    return replace(seen, answer=replace(seen.answer, message=seen.answer.message[:BRIEF]))
