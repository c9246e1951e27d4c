"""The Kubernetes Job that submits in K8sJobMode.

The default pod has the head's image, and from the head's template what lets it start where the head did: pull
secrets, service account, security context, tolerations, and the platform of the nodes. It gets no token for
the API server, which its program never calls. A user's template stays, but for what the program needs.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from rayfleet.api.names import Annotation, Label, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.rayjob import SUBMITTER_BACKOFF_LIMIT, RayJobSpec
from rayfleet.kinds.raycluster.manifests.auth import client_auth, with_kubernetes_token
from rayfleet.kinds.raycluster.manifests.metadata import owner_reference, template_hash
from rayfleet.kinds.raycluster.manifests.pod_template import (
    Json,
    items,
    mapping,
    ray_container,
    text,
    texts,
)
from rayfleet.kinds.rayjob.manifests.container import (
    SubmissionOrder,
    default_container,
    submits_itself,
    submitting,
)
from rayfleet.kinds.rayjob.manifests.metadata import submitter_labels
from rayfleet.kinds.rayjob.manifests.names import submitter_name
from rayfleet.kinds.rayjob.manifests.script import LOST, REFUSED
from rayfleet.kinds.rayjob.manifests.submission import job_submission
from rayfleet.kube.objects.resources import JOBS
from rayfleet.kube.objects.roots import Root

_OF_HEAD: Final = ("imagePullSecrets", "serviceAccountName", "securityContext", "tolerations")
_OF_IMAGE: Final = ("kubernetes.io/arch", "kubernetes.io/os")
"""Labels of nodes on which an image runs or does not."""
_NEVER: Final = "Never"


class Destination(Struct, frozen=True):
    """The cluster that a job is submitted to."""

    cluster: Root
    spec: RayClusterSpec
    address: str
    """The dashboard's `host:port`."""


def submitter_job(
    job: Root, spec: RayJobSpec, destination: Destination, job_id: str, *, login_shell: bool = False
) -> Json:
    """The Job that submits `job_id`; its template hash is that of no other submission."""
    head = destination.spec.head_group_spec.template
    given = spec.submitter_pod_template
    pod = _default_pod(destination.cluster, head) if given is None else dict(mapping(given.get("spec")))
    first, *others = items(pod.get("containers")) or [default_container(ray_container(head))]
    auth = client_auth(destination.cluster, destination.spec)
    order = SubmissionOrder(
        job_submission(spec, job_id), destination.address, () if auth is None else auth.env, login_shell
    )
    container = submitting(mapping(first), ray_container(head), order)
    if auth is not None and auth.kubernetes:
        container, pod["volumes"] = with_kubernetes_token(container, pod.get("volumes"))
    pod["containers"] = [container, *others]
    pod["restartPolicy"] = pod.get("restartPolicy") or _NEVER
    metadata = dict(mapping(mapping(given).get("metadata")))
    metadata["labels"] = {**texts(metadata.get("labels")), **submitter_labels(job)}
    return _job(job, spec, {"metadata": metadata, "spec": pod}, mapping(first))


def _job(job: Root, spec: RayJobSpec, template: Json, given: Mapping[str, Any]) -> Json:
    limit = None if spec.submitter_config is None else spec.submitter_config.backoff_limit
    body = {"backoffLimit": SUBMITTER_BACKOFF_LIMIT if limit is None else limit, "template": template}
    pod = template["spec"]
    if pod["restartPolicy"] == _NEVER:  # Kubernetes takes no policy with another one.
        ours = None if submits_itself(given) else text(pod["containers"][0].get("name"))
        body["podFailurePolicy"] = _failure_policy(ours)
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": submitter_name(job),
            "namespace": job.key.namespace,
            "labels": submitter_labels(job),
            "annotations": {Annotation.TEMPLATE_HASH: template_hash(body)},
            "ownerReferences": [owner_reference(job)],
        },
        "spec": body,
    }


def _failure_policy(ours: str | None) -> Json:
    """A disrupted pod is replaced; where our program says that this is useless, it is not.

    `ours` is the container with our program.
    """
    useless = {"containerName": ours, "operator": "In", "values": [REFUSED, LOST]}
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return {
        "rules": [
            *([{"action": "FailJob", "onExitCodes": useless}] if ours else []),
            {"action": "Ignore", "onPodConditions": [disrupted]},
        ]
    }


def _default_pod(cluster: Root, head: Mapping[str, Any]) -> Json:
    of_head = mapping(head.get("spec"))
    selector = mapping(of_head.get("nodeSelector"))
    platform = {label: selector[label] for label in _OF_IMAGE if label in selector}
    return {
        **{field: of_head[field] for field in _OF_HEAD if of_head.get(field) is not None},
        **({"nodeSelector": platform} if platform else {}),
        "automountServiceAccountToken": False,
        "affinity": _near_head(cluster),
        "containers": [default_container(ray_container(head))],
        "restartPolicy": _NEVER,
    }


def _near_head(cluster: Root) -> Json:
    """The head's node has the image, which may be gigabytes."""
    labels = {Label.CLUSTER: cluster.key.name, Label.NODE_TYPE: NodeType.HEAD}
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    preferred = {"weight": 100, "podAffinityTerm": term}
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
