"""Rules about who submits the job, and what is submitted."""

import re
import shlex
from typing import Final

import orjson

from rayfleet.api.raycluster.ray_version import RayVersion, parse_ray_version
from rayfleet.api.raycluster.rules.subject import Findings, Json, containers, pod_spec
from rayfleet.api.rayjob.rules.subject import JobSubject
from rayfleet.api.rayjob.runtime_env import entrypoint_resources, runtime_env
from rayfleet.api.violation import Violation

_JOB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")
_TEMPLATE: Final = "spec.submitterPodTemplate"
_HEAD: Final = "spec.rayClusterSpec.headGroupSpec.template.spec"
_BY_COMMAND: Final = frozenset({"K8sJobMode", "SidecarMode"})
"""Modes in which a container runs Ray's command line."""
_FIRST_WITH_METADATA: Final = RayVersion(2, 6)
_LONGEST_COMMAND: Final = 100_000
"""Bytes. Linux takes 128 KiB as one argument, and the rest of the script needs some."""


def sidecar_needs_no_pod(subject: JobSubject) -> Findings:
    """The submitter is a container of the head pod."""
    if subject.mode != "SidecarMode":
        return
    if subject.spec.submitter_pod_template is not None:
        yield Violation(_TEMPLATE, "SidecarMode doesn't support SubmitterPodTemplate: remove it.")
    if subject.spec.submitter_config is not None:
        yield Violation("spec.submitterConfig", "SidecarMode doesn't support SubmitterConfig: remove it.")


def sidecar_ends_with_its_head(subject: JobSubject) -> Findings:
    """A head that restarts would submit the job again."""
    cluster = subject.spec.ray_cluster_spec
    if subject.mode != "SidecarMode" or cluster is None:
        return
    if _restart_policy(cluster.head_group_spec.template) not in {"", "Never"}:
        yield Violation(f"{_HEAD}.restartPolicy", "should be Never or unset in SidecarMode: remove it.")


def submitter_has_a_container(subject: JobSubject) -> Findings:
    """The first container submits."""
    template = subject.spec.submitter_pod_template
    if template is not None and not containers(template):
        yield Violation(
            f"{_TEMPLATE}.spec.containers", "must have at least one container: the first one submits the job."
        )


def submitter_ends(subject: JobSubject) -> Findings:
    """Kubernetes refuses a Job whose pods always restart."""
    template = subject.spec.submitter_pod_template
    if template is not None and _restart_policy(template) not in {"", "Never", "OnFailure"}:
        yield Violation(f"{_TEMPLATE}.spec.restartPolicy", "must be Never or OnFailure: a Job has to end.")


def submitter_limit_is_not_negative(subject: JobSubject) -> Findings:
    """It is a number of replacements."""
    config = subject.spec.submitter_config
    if config is not None and config.backoff_limit is not None and config.backoff_limit < 0:
        yield Violation(
            "spec.submitterConfig.backoffLimit",
            f"must be a positive integer or 0, but is {config.backoff_limit}.",
        )


def job_id_is_a_name(subject: JobSubject) -> Findings:
    """It is part of URLs and file names."""
    job_id = subject.spec.job_id
    if job_id and not _JOB_ID.fullmatch(job_id):
        yield Violation(
            "spec.jobId",
            "must have at most 200 letters, digits, '-', '_', '.' and ':', beginning with a letter or digit.",
        )


def metadata_needs_a_ray_that_knows_it(subject: JobSubject) -> Findings:
    """An older command line refuses the flag."""
    cluster = subject.spec.ray_cluster_spec
    if cluster is None or not subject.spec.metadata or subject.mode not in _BY_COMMAND:
        return
    version = parse_ray_version(cluster.ray_version)
    if version is not None and version < _FIRST_WITH_METADATA:
        yield Violation(
            "spec.metadata",
            f"needs Ray {_FIRST_WITH_METADATA} or later, but rayVersion is {version}: remove it, or use"
            " HTTPMode.",
        )


def runtime_env_is_a_map(subject: JobSubject) -> Findings:
    """Ray takes it as a JSON object."""
    try:
        runtime_env(subject.spec)
    except ValueError as error:
        yield Violation("spec.runtimeEnvYAML", str(error))


def entrypoint_resources_are_numbers(subject: JobSubject) -> Findings:
    """Ray would refuse anything else only when the cluster is there."""
    try:
        entrypoint_resources(subject.spec)
    except ValueError as error:
        yield Violation("spec.entrypointResources", str(error))


def command_fits_into_an_argument(subject: JobSubject) -> Findings:
    """The submitter's script is one argument."""
    if subject.mode not in _BY_COMMAND:
        return
    spec = subject.spec
    metadata = orjson.dumps(spec.metadata).decode()
    texts = (spec.entrypoint, spec.runtime_env_yaml, spec.entrypoint_resources, metadata)
    length = sum(len(shlex.quote(text).encode()) for text in texts)
    if length > _LONGEST_COMMAND:
        yield Violation(
            "spec.entrypoint",
            f"must have at most {_LONGEST_COMMAND} bytes with runtimeEnvYAML, metadata and"
            f" entrypointResources, but has {length}: move the program into the image, or use HTTPMode.",
        )


def _restart_policy(template: Json) -> str:
    policy = pod_spec(template).get("restartPolicy")
    return policy if isinstance(policy, str) else ""
