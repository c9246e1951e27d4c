"""The CustomResourceDefinition of RayCronJob."""

from typing import Final

from crds.definition import Crd, Definition, column
from crds.kubernetes_types import KubernetesTypes
from crds.model_schema import model_schema
from crds.rayjob import rayjob_spec
from crds.shortening import compact, without_transitions
from crds.status_schema import status_schema
from rayfleet.api.names import RAYCRONJOB_KIND, RAYCRONJOB_PLURAL
from rayfleet.api.raycronjob import RayCronJobSpec
from rayfleet.api.raycronjob.status import RayCronJobStatus

COLUMNS: Final = (
    column("schedule", ".spec.schedule"),
    column("timezone", ".spec.timeZone"),
    column("last schedule", ".status.lastScheduleTime", "date"),
    column("age", ".metadata.creationTimestamp", "date"),
    column("suspend", ".spec.suspend", "boolean"),
    column("last success", ".status.lastSuccessfulTime", "date", wide=True),
    column("valid", '.status.conditions[?(@.type=="Valid")].status', wide=True),
)


def raycronjob_crd(kubernetes: KubernetesTypes) -> Crd:
    """The CRD as an object."""
    spec = model_schema(RayCronJobSpec, compact(kubernetes))
    template = spec["properties"]["jobTemplate"]
    # Nothing of a template is final: it describes RayJobs that do not exist yet.
    described = {"description": template["description"]}
    spec["properties"]["jobTemplate"] = without_transitions(rayjob_spec(kubernetes)) | described
    return Definition(
        kind=RAYCRONJOB_KIND,
        plural=RAYCRONJOB_PLURAL,
        description="RayJobs that are created on a schedule.",
        columns=COLUMNS,
        spec=spec,
        status=status_schema(RayCronJobStatus),
    ).crd()
