"""Time-outs of jobs; all in seconds."""

from typing import Final

from msgspec import Struct


class JobSettings(Struct, frozen=True):
    """How long is waited for what."""

    status_check_timeout: float = 300.0
    """A dashboard that cannot be asked for this long ends the attempt."""
    least_tries: float = 30.0
    """This process must have tried for at least so long before it ends an attempt for that reason."""
    headless: float = 10.0
    """How long a cluster may seem to have no head at all before a job that ran there counts as lost."""
    answering: float = 10.0
    """How long an answer may have been on its way: one that arrives sooner may be of an earlier question."""
    mending: float = 300.0
    """How long a job that cannot start may hold a cluster because nobody knows a valid spec of it."""
    farewell: float = 30.0
    """How long a deleted job may wait to be stopped in Ray on a cluster that stays."""
    drain: float = 30.0
    """How long a job that is stopped may take to end before its cluster goes."""
    submitter_logs: float = 10.0
    """How long a submitter may take to finish its log once Ray's job has ended."""
    submitter_silence: float = 30.0
    """How long after the submitter's failure Ray is asked whether it knows the job."""


DEFAULT: Final = JobSettings()
