"""Validates a well-typed RayCronJob against all rules."""

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from msgspec import Struct

from rayfleet.api.names import Annotation, Label
from rayfleet.api.raycluster.rules.groups import is_label_key, is_label_value
from rayfleet.api.raycluster.rules.subject import Findings
from rayfleet.api.raycronjob.schedule import parse_schedule, time_zone
from rayfleet.api.raycronjob.spec import RayCronJobSpec
from rayfleet.api.rayjob import validate as validate_job
from rayfleet.api.violation import Violation

LONGEST_NAME: Final = 36
"""A RayJob's name is the RayCronJob's with minutes since 1970, in at most 47 characters."""
_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_TEMPLATE: Final = "spec.jobTemplate"
_METADATA: Final = "spec.jobTemplateMetadata"
_PATHS: Final = re.compile(r"(?<![\w.])spec\.")
_LONGEST_ANNOTATIONS: Final = 200_000
"""Characters of all keys and values. Kubernetes takes 256 KiB, and other controllers add their own."""
_KEY: Final = "must have a valid key: letters, digits, '-', '_' and '.', after an optional prefix and '/'."
_VALUE: Final = (
    "must have a valid value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a"
    " letter or digit."
)
_OURS: Final = "is set by the operator: remove it."


class CronJobSubject(Struct, frozen=True):
    """One RayCronJob, as the rules see it."""

    name: str
    spec: RayCronJobSpec


def name_fits_into_job_names(subject: CronJobSubject) -> Findings:
    """RayJobs are named after the RayCronJob."""
    if len(subject.name) > LONGEST_NAME:
        yield Violation(
            "metadata.name",
            f"should be no more than {LONGEST_NAME} characters, but has {len(subject.name)}: shorten it.",
        )


def name_begins_a_service_name(subject: CronJobSubject) -> Findings:
    """Services of the RayJobs are named after it, and a Service name is a DNS-1035 label."""
    if not _DNS_1035.fullmatch(subject.name):
        yield Violation(
            "metadata.name",
            f"should be a valid DNS1035 label, but is '{subject.name[:253]}': use lower case letters, digits"
            " and '-', beginning with a letter.",
        )


def schedule_can_be_read(subject: CronJobSubject) -> Findings:
    """A schedule without a meaning would never come."""
    try:
        parse_schedule(subject.spec.schedule)
    except ValueError as error:
        yield Violation("spec.schedule", f"{error}.")


def time_zone_is_known(subject: CronJobSubject) -> Findings:
    """Nobody would expect another one instead."""
    try:
        time_zone(subject.spec.time_zone)
    except ValueError as error:
        yield Violation("spec.timeZone", f"{error}.")


def metadata_is_possible(subject: CronJobSubject) -> Findings:
    """The API server would refuse every RayJob."""
    metadata = subject.spec.job_template_metadata
    for key, value in metadata.labels.items():
        path = f"{_METADATA}.labels[{key}]"
        if not is_label_key(key):
            yield Violation(path, _KEY)
        if not is_label_value(value):
            yield Violation(path, _VALUE)
    for key in metadata.annotations:
        if not is_label_key(key.lower()):
            yield Violation(f"{_METADATA}.annotations[{key}]", _KEY)
    length = sum(len(key) + len(value) for key, value in metadata.annotations.items())
    if length > _LONGEST_ANNOTATIONS:
        yield Violation(
            f"{_METADATA}.annotations",
            f"must have at most {_LONGEST_ANNOTATIONS} characters, but has {length}: shorten them.",
        )


def metadata_leaves_ours_alone(subject: CronJobSubject) -> Findings:
    """By these the operator knows its RayJobs."""
    metadata = subject.spec.job_template_metadata
    if Label.CRONJOB_NAME in metadata.labels:
        yield Violation(f"{_METADATA}.labels[{Label.CRONJOB_NAME}]", _OURS)
    if Annotation.CRONJOB_TIMESTAMP in metadata.annotations:
        yield Violation(f"{_METADATA}.annotations[{Annotation.CRONJOB_TIMESTAMP}]", _OURS)


def jobs_on_one_cluster_have_ids_of_their_own(subject: CronJobSubject) -> Findings:
    """Ray takes an id once; on a cluster of its own each RayJob can have the same."""
    template = subject.spec.job_template
    if template.job_id and template.cluster_selector:
        yield Violation(
            f"{_TEMPLATE}.jobId",
            "cannot be set with clusterSelector, as each RayJob needs an id of its own there: remove it.",
        )


def template_is_valid(subject: CronJobSubject) -> Findings:
    """Every rule of a RayJob but those about its name, which is made from this one's."""
    metadata = subject.spec.job_template_metadata
    violations = validate_job(
        subject.spec.job_template,
        name="a",
        labels=metadata.labels,
        annotations=metadata.annotations,
    )
    yield from (_nested(violation) for violation in violations)


def _nested(violation: Violation) -> Violation:
    """The same, with the paths of a RayCronJob."""
    path, message = violation.path, _PATHS.sub(f"{_TEMPLATE}.", violation.message)
    if path.startswith("metadata"):
        return Violation(f"{_METADATA}{path.removeprefix('metadata')}", message)
    return Violation(f"{_TEMPLATE}{path.removeprefix('spec')}", message)


Rule: TypeAlias = Callable[[CronJobSubject], Iterator[Violation]]

RULES: Final[tuple[Rule, ...]] = (
    name_fits_into_job_names,
    name_begins_a_service_name,
    schedule_can_be_read,
    time_zone_is_known,
    metadata_is_possible,
    metadata_leaves_ours_alone,
    jobs_on_one_cluster_have_ids_of_their_own,
    template_is_valid,
)


def validate(spec: RayCronJobSpec, *, name: str) -> tuple[Violation, ...]:
    """Every rule that the RayCronJob breaks, in the order of `RULES`; empty if it is valid."""
    subject = CronJobSubject(name, spec)
    return tuple(violation for rule in RULES for violation in rule(subject))
