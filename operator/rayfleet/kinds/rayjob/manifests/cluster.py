"""The cluster of one attempt."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from rayfleet.api.names import API_VERSION, KIND, SIDECAR_MODE, Annotation, Label, ManagedBy
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.rayjob import RayJobSpec
from rayfleet.kinds.raycluster.manifests.auth import client_auth, with_kubernetes_token
from rayfleet.kinds.raycluster.manifests.metadata import owner_reference
from rayfleet.kinds.raycluster.manifests.pod_template import Json, items, mapping, ray_container
from rayfleet.kinds.raycluster.manifests.ports import dashboard_port
from rayfleet.kinds.rayjob.manifests.container import SubmissionOrder, default_container, submitting
from rayfleet.kinds.rayjob.manifests.metadata import origin_labels
from rayfleet.kinds.rayjob.manifests.submission import job_submission
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""A copy of the RayJob, half as large as all annotations of an object may be."""


def child_cluster(job: Root, spec: RayJobSpec, name: str, job_id: str, *, login_shell: bool = False) -> Json:
    """The cluster `name`, with the spec that the user wrote for it.

    In SidecarMode the head gets the container that submits `job_id`, and is never replaced: another one would
    run the job again.
    """
    raw: Mapping[str, Any] = mapping(job.spec.get("rayClusterSpec"))
    annotations = {key: text for key, text in job.annotations.items() if key != _LAST_APPLIED}
    if spec.submission_mode == SIDECAR_MODE and spec.ray_cluster_spec is not None:
        annotations[Annotation.NO_HEAD_RESTART] = "true"
        to_be = replace(job, key=Key(KIND, job.key.namespace, name))
        raw = _with_submitter(raw, to_be, spec.ray_cluster_spec, job_submission(spec, job_id), login_shell)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": job.key.namespace,
            "labels": {**job.labels, **origin_labels(job), Label.SUBMISSION_MODE: spec.submission_mode},
            "annotations": annotations,
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {**raw, **_manager(spec, raw)},
    }


def _manager(spec: RayJobSpec, raw: Mapping[str, Any]) -> Json:
    """A job that is ours even next to another operator has a cluster that is ours."""
    inherits = spec.managed_by == ManagedBy.RAYFLEET and not raw.get("managedBy")
    return {"managedBy": ManagedBy.RAYFLEET} if inherits else {}


def _with_submitter(
    raw: Mapping[str, Any],
    cluster: Root,
    spec: RayClusterSpec,
    body: Mapping[str, Any],
    login_shell: bool,  # noqa: FBT001 - private
) -> Json:
    head = mapping(raw.get("headGroupSpec"))
    template = mapping(head.get("template"))
    pod = dict(mapping(template.get("spec")))
    containers = items(pod.get("containers"))
    if not containers:  # The submitter would be the container that runs Ray.
        return {**raw}
    auth = client_auth(cluster, spec)
    address = f"127.0.0.1:{dashboard_port(spec.head_group_spec)}"
    order = SubmissionOrder(body, address, () if auth is None else auth.env, login_shell)
    ray = ray_container(template)
    submitter = submitting(default_container(ray), ray, order)
    if auth is not None and auth.kubernetes:
        submitter, pod["volumes"] = with_kubernetes_token(submitter, pod.get("volumes"))
    pod |= {"containers": [*containers, submitter], "restartPolicy": "Never"}
    return {**raw, "headGroupSpec": {**head, "template": {**template, "spec": pod}}}
