"""RayJob and its children: the kinds that are watched for it. Its cluster is a root of its own."""

from typing import Any, Final

from rayfleet.api.names import RAYJOB_KIND, Label
from rayfleet.engine.children import Child
from rayfleet.kinds.raycluster.children import SERVICE_CHILD
from rayfleet.kinds.rayjob.served import RAYJOBS
from rayfleet.kube.objects.batch_jobs import BatchJob, batch_job_from_object
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.resources import JOBS

__all__ = ["CHILDREN", "RAYJOBS", "SUBMITTER_CHILD"]


def _submitter_of(key: Key) -> dict[str, str]:
    return {"labelSelector": f"{Label.ORIGINATED_FROM_NAME}={key.name}"}


SUBMITTER_CHILD: Final = Child(
    JOBS,
    BatchJob,
    batch_job_from_object,
    {"labelSelector": f"{Label.ORIGINATED_FROM_CRD}={RAYJOB_KIND}"},
    _submitter_of,
    optional=True,
)
CHILDREN: Final[tuple[Child[Any], ...]] = (SUBMITTER_CHILD, SERVICE_CHILD)
