"""Rules about deadlines, and about how often a job is tried again."""

from typing import Final

from rayfleet.api.raycluster.rules.subject import Findings
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.violation import Violation

_POLICY: Final = "spec.retryPolicy"


def users_submit_once(subject: JobSubject) -> Findings:
    """A second attempt would need a second job from the user."""
    if subject.mode != "InteractiveMode":
        return
    if subject.spec.backoff_limit > 0:
        yield Violation("spec.backoffLimit", "is incompatible with InteractiveMode: set it to 0.")
    if subject.spec.retry_policy is not None:
        yield Violation(_POLICY, "is incompatible with InteractiveMode: remove it.")


def deadlines_are_positive(subject: JobSubject) -> Findings:
    """Without time no attempt could succeed."""
    spec = subject.spec
    for field, value in (
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("preRunningDeadlineSeconds", spec.pre_running_deadline_seconds),
    ):
        if value is not None and value <= 0:
            yield Violation(f"spec.{field}", f"must be a positive integer, but is {value}.")


def limit_is_not_negative(subject: JobSubject) -> Findings:
    """It is a number of attempts."""
    limit = subject.spec.backoff_limit
    if limit < 0:
        yield Violation("spec.backoffLimit", f"must be a positive integer or 0, but is {limit}.")


def retry_bounds_are_not_negative(subject: JobSubject) -> Findings:
    """They are a number of attempts and two waits."""
    policy = subject.spec.retry_policy
    if policy is None:
        return
    for field, value in (
        ("infrastructureLimit", policy.infrastructure_limit),
        ("backoffSeconds", policy.backoff_seconds),
        ("maxBackoffSeconds", policy.max_backoff_seconds),
    ):
        if value < 0:
            yield Violation(f"{_POLICY}.{field}", f"must not be negative, but is {value}: set 0 or more.")
    if policy.backoff_seconds > policy.max_backoff_seconds:
        yield Violation(
            f"{_POLICY}.backoffSeconds",
            f"must not be larger than maxBackoffSeconds, but {policy.backoff_seconds} >"
            f" {policy.max_backoff_seconds}: lower it, or raise maxBackoffSeconds.",
        )


def retry_has_a_cluster(subject: JobSubject) -> Findings:
    """A selected cluster cannot be created anew, and a submitter next to a head starts with it only."""
    policy = subject.spec.retry_policy
    if policy is None:
        return
    if policy.cluster == "Recreate" and subject.selects_a_cluster:
        yield Violation(
            f"{_POLICY}.cluster", "cannot be Recreate with clusterSelector, whose cluster stays: use Reuse."
        )
    if policy.cluster == "Reuse" and subject.mode == "SidecarMode":
        yield Violation(
            f"{_POLICY}.cluster",
            "must be Recreate in SidecarMode, where the submitter starts with the head only: set it.",
        )
