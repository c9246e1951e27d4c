"""Validates a well-typed RayJob against all rules."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from rayfleet.api.raycluster.rules.subject import Findings
from rayfleet.api.rayjob.rules import attempts, cluster, deletion, ending, metadata, submission
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.rayjob.spec import RayJobSpec
from rayfleet.api.rayjob.status import JobDeploymentStatus, RayJobStatus
from rayfleet.api.violation import Violation

Rule: TypeAlias = Callable[[JobSubject], Findings]

_LONGEST: Final = 1_000
"""Characters of a message that is stored."""

# The first violation is the one that people see first: the name, then what is simple, then what is nested.
RULES: Final[tuple[Rule, ...]] = (
    metadata.name_fits_into_cluster_names,
    metadata.name_is_a_service_name,
    metadata.manager_is_known,
    ending.suspended_job_leaves_no_cluster,
    ending.delay_is_not_negative,
    ending.delay_is_of_a_deletion,
    deletion.rules_are_the_only_way,
    deletion.conditions_name_one_status,
    deletion.delays_are_not_negative,
    deletion.rules_leave_a_selected_cluster_alone,
    deletion.rules_leave_workers_to_the_queue,
    deletion.rules_differ,
    deletion.delays_are_in_order,
    deletion.legacy_policies_are_complete,
    deletion.legacy_policies_fit_the_cluster,
    deletion.nothing_is_kept_that_is_shut_down,
    cluster.suspension_needs_a_cluster_of_its_own,
    cluster.there_is_a_cluster,
    cluster.selected_cluster_is_named,
    cluster.selected_cluster_is_not_made_for_the_job,
    attempts.users_submit_once,
    submission.sidecar_needs_no_pod,
    submission.sidecar_ends_with_its_head,
    submission.submitter_has_a_container,
    submission.submitter_ends,
    submission.submitter_limit_is_not_negative,
    submission.job_id_is_a_name,
    submission.metadata_needs_a_ray_that_knows_it,
    cluster.kubernetes_tokens_are_for_people,
    cluster.cluster_is_valid,
    submission.runtime_env_is_a_map,
    submission.entrypoint_resources_are_numbers,
    submission.command_fits_into_an_argument,
    attempts.deadlines_are_positive,
    attempts.limit_is_not_negative,
    attempts.retry_bounds_are_not_negative,
    attempts.retry_has_a_cluster,
)


def validate(
    spec: RayJobSpec,
    *,
    name: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> tuple[Violation, ...]:
    """Every rule that the RayJob breaks, in the order of `RULES`; empty if it is valid."""
    subject = JobSubject(name, labels or {}, annotations or {}, spec)
    return tuple(violation for rule in RULES for violation in rule(subject))


def validate_status(spec: RayJobSpec, status: RayJobStatus) -> tuple[Violation, ...]:
    """What in a stored status cannot be continued from."""
    waits = status.job_deployment_status == JobDeploymentStatus.WAITING
    if waits and spec.submission_mode != "InteractiveMode":
        message = "cannot be Waiting outside InteractiveMode: set submissionMode back, or delete the RayJob."
        return (Violation("status.jobDeploymentStatus", message),)
    return ()


def account(violations: Sequence[Violation]) -> str:
    """What is wrong, in one text that begins with the first violation; empty if nothing is."""
    if not violations:
        return ""
    part = violations[0].path.partition(".")[0]
    text = f"The RayJob {part} is invalid: {' '.join(map(str, violations))}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
