"""Rules about the name and the manager of a cluster."""

import re
from typing import Final

from rayfleet.api.names import ManagedBy
from rayfleet.api.raycluster.rules.subject import Findings, Subject
from rayfleet.api.violation import Violation

_DNS_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME: Final = 53


def name_fits_into_pod_names(subject: Subject) -> Findings:
    """The names of pods and Services are the cluster's name and a suffix, in at most 63 characters."""
    if len(subject.name) > _LONGEST_NAME:
        yield Violation(
            "metadata.name",
            f"must have no more than {_LONGEST_NAME} characters, but has {len(subject.name)}: shorten it.",
        )


def name_is_a_service_name(subject: Subject) -> Findings:
    """The head Service is named after the cluster, and a Service name is a DNS-1035 label."""
    if not _DNS_1035.fullmatch(subject.name):
        yield Violation(
            "metadata.name",
            f"must be a DNS-1035 label, but is '{subject.name}': use lower case letters, digits and '-',"
            " beginning with a letter.",
        )


def manager_is_known(subject: Subject) -> Findings:
    """Nobody would act on a cluster with an unknown manager."""
    manager = subject.spec.managed_by
    if manager is not None and manager not in ManagedBy.ALL:
        yield Violation("spec.managedBy", f"must be one of {', '.join(ManagedBy.ALL)}, but is '{manager}'.")
