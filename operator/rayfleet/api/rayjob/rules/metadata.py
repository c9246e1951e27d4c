"""Rules about the name and the manager of a RayJob."""

import re
from typing import Final

from rayfleet.api.names import ManagedBy
from rayfleet.api.raycluster.rules.subject import Findings
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.violation import Violation

LONGEST_NAME: Final = 47
"""The cluster's name is the RayJob's with six more characters, and needs room for those of its pods."""
_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def name_fits_into_cluster_names(subject: JobSubject) -> Findings:
    """The cluster is named after the RayJob."""
    if len(subject.name) > LONGEST_NAME:
        yield Violation(
            "metadata.name",
            f"should be no more than {LONGEST_NAME} characters, but has {len(subject.name)}: shorten it.",
        )


def name_is_a_service_name(subject: JobSubject) -> Findings:
    """Services are named after it, and a Service name is a DNS-1035 label."""
    if not _DNS_1035.fullmatch(subject.name):
        yield Violation(
            "metadata.name",
            f"should be a valid DNS1035 label, but is '{subject.name[:253]}': use lower case letters, digits"
            " and '-', beginning with a letter.",
        )


def manager_is_known(subject: JobSubject) -> Findings:
    """Nobody would act on a RayJob with an unknown manager."""
    manager = subject.spec.managed_by
    if manager is not None and manager not in ManagedBy.ALL:
        yield Violation(
            "spec.managedBy", f"must be one of {', '.join(ManagedBy.ALL)}, but is '{manager[:60]}'."
        )
