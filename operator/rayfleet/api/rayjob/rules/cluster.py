"""Rules about the cluster of a RayJob: one that is created, or one that is there."""

import re
from typing import Final

from rayfleet.api.names import Label, is_object_name
from rayfleet.api.raycluster.rules import metadata
from rayfleet.api.raycluster.rules.subject import Findings
from rayfleet.api.raycluster.rules.subject import Subject as Cluster
from rayfleet.api.raycluster.validation import RULES
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.violation import Violation

_SELECTOR: Final = "spec.clusterSelector"
_CLUSTER: Final = "spec.rayClusterSpec"
_SUFFIX: Final = "-00000"
_PATHS: Final = re.compile(r"(?<![\w.])spec\.")
_OF_THE_NAME: Final = (metadata.name_fits_into_pod_names, metadata.name_is_a_service_name)
"""Rules about the cluster's name, which is made from the RayJob's."""


def suspension_needs_a_cluster_of_its_own(subject: JobSubject) -> Findings:
    """A selected cluster would go on."""
    if subject.spec.suspend and subject.selects_a_cluster:
        yield Violation(
            "spec.suspend", "is not possible: the ClusterSelector mode doesn't support the suspend operation."
        )


def there_is_a_cluster(subject: JobSubject) -> Findings:
    """A job runs somewhere."""
    if subject.spec.ray_cluster_spec is None and not subject.selects_a_cluster:
        yield Violation(_CLUSTER, "is required: one of RayClusterSpec or ClusterSelector must be set.")


def selected_cluster_is_named(subject: JobSubject) -> Findings:
    """Clusters are selected by name only."""
    name = subject.selected_cluster
    if not subject.selects_a_cluster:
        return
    path = f"{_SELECTOR}[{Label.CLUSTER}]"
    if not name:
        yield Violation(path, "should not be empty: name the RayCluster to use.")
    elif not is_object_name(name):
        yield Violation(path, f"must be the name of a RayCluster, but is '{name[:60]}'.")


def selected_cluster_is_not_made_for_the_job(subject: JobSubject) -> Findings:
    """Its head runs already, and a new attempt would find it as the last one left it."""
    if not subject.selects_a_cluster:
        return
    if subject.mode == "SidecarMode":
        yield Violation(_SELECTOR, "is not supported in SidecarMode: use another submissionMode.")
    if subject.spec.backoff_limit > 0:
        yield Violation(
            "spec.backoffLimit", "BackoffLimit is incompatible with ClusterSelector: set it to 0."
        )


def kubernetes_tokens_are_for_people(subject: JobSubject) -> Findings:
    """Whoever submits for a RayJob has none."""
    cluster = subject.spec.ray_cluster_spec
    if cluster is not None and cluster.auth_options.enable_k8s_token_auth:
        yield Violation(
            f"{_CLUSTER}.authOptions.enableK8sTokenAuth",
            "is not supported: a RayJob cannot use a cluster in K8s token auth mode, so remove it.",
        )


def cluster_is_valid(subject: JobSubject) -> Findings:
    """Every rule of a RayCluster; annotations of the RayJob become the cluster's."""
    spec = subject.spec.ray_cluster_spec
    if spec is None:
        return
    labels = {**subject.labels, Label.ORIGINATED_FROM_CRD: "RayJob"}
    cluster = Cluster(f"{subject.name}{_SUFFIX}", labels, subject.annotations, spec)
    for rule in RULES:
        if rule not in _OF_THE_NAME:
            for violation in rule(cluster):
                yield _nested(violation)


def _nested(violation: Violation) -> Violation:
    """The same, with the paths of a RayJob. It counts for the whole job: there is one cluster or none."""
    path = violation.path
    if path.startswith("spec"):
        path = f"{_CLUSTER}{path.removeprefix('spec')}"
    return Violation(path, _PATHS.sub(f"{_CLUSTER}.", violation.message))
