"""Rules about what happens to the cluster after the end, and while the job is suspended."""

from rayfleet.api.raycluster.rules.subject import Findings
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.violation import Violation

_TTL = "spec.ttlSecondsAfterFinished"


def suspended_job_leaves_no_cluster(subject: JobSubject) -> Findings:
    """Who suspends a job wants its GPUs back, also after the end."""
    if subject.spec.suspend and not subject.spec.shutdown_after_job_finishes:
        yield Violation(
            "spec.suspend",
            "needs shutdownAfterJobFinishes: a RayJob with that set to false is not allowed to be suspended,"
            " so set it to true.",
        )


def delay_is_not_negative(subject: JobSubject) -> Findings:
    """Nothing can be deleted before the end."""
    ttl = subject.spec.ttl_seconds_after_finished
    if ttl < 0:
        yield Violation(_TTL, f"must be a non-negative integer, but is {ttl}: set 0 or more.")


def delay_is_of_a_deletion(subject: JobSubject) -> Findings:
    """A delay alone deletes nothing, although it looks so."""
    spec = subject.spec
    if spec.ttl_seconds_after_finished > 0 and not spec.shutdown_after_job_finishes:
        yield Violation(
            _TTL,
            "needs shutdownAfterJobFinishes: a RayJob with that set to false cannot have"
            " TTLSecondsAfterFinished, so set it to true, or remove this.",
        )
