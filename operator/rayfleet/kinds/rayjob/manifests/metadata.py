"""Labels of a RayJob's objects, by which they are found."""

from typing import Final

from rayfleet.api.names import Label
from rayfleet.kube.objects.roots import Root

# The value that KubeRay writes.
_CREATED_BY: Final = "kuberay-operator"


def origin_labels(job: Root) -> dict[str, str]:
    """From which object another one was made."""
    return {Label.ORIGINATED_FROM_NAME: job.key.name, Label.ORIGINATED_FROM_CRD: job.key.kind}


def submitter_labels(job: Root) -> dict[str, str]:
    """On the Kubernetes Job that submits, and on its pods."""
    return {**origin_labels(job), Label.CREATED_BY: _CREATED_BY}
