"""Ray's job API, over HTTP. The values are here; `client` and `poller` do the asking."""

from rayfleet.ray.dashboard.jobs import (
    TERMINAL,
    AlreadySubmitted,
    JobAccepted,
    JobAnswer,
    JobDetails,
    JobListing,
    JobStopped,
    JobSubmitRequest,
    UnknownJob,
)

__all__ = [
    "TERMINAL",
    "AlreadySubmitted",
    "JobAccepted",
    "JobAnswer",
    "JobDetails",
    "JobListing",
    "JobStopped",
    "JobSubmitRequest",
    "UnknownJob",
]
