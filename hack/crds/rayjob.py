"""The CustomResourceDefinition of RayJob."""

from typing import Final

from crds.definition import V1ALPHA1, Crd, Definition, column
from crds.kubernetes_types import KubernetesTypes, Schema
from crds.model_schema import model_schema
from crds.shortening import compact, without_descriptions, without_transitions
from crds.status_schema import status_schema
from rayfleet.api.names import RAYJOB_KIND, RAYJOB_PLURAL
from rayfleet.api.rayjob import RayJobSpec
from rayfleet.api.rayjob.status import RayJobStatus

COLUMNS: Final = (
    column("job status", ".status.jobStatus"),
    column("deployment status", ".status.jobDeploymentStatus"),
    column("ray cluster name", ".status.rayClusterName"),
    column("start time", ".status.startTime"),
    column("end time", ".status.endTime"),
    column("age", ".metadata.creationTimestamp", "date"),
    column("attempt", ".status.attempt", "integer", wide=True),
    column("gpu seconds", ".status.gpuSeconds", "number", wide=True),
    column("reason", ".status.reason", wide=True),
    column("message", ".status.message", wide=True),
)


def rayjob_crd(kubernetes: KubernetesTypes) -> Crd:
    """The CRD as an object."""
    status = status_schema(RayJobStatus)
    _shorten(status["properties"], "rayClusterStatus")
    return Definition(
        kind=RAYJOB_KIND,
        plural=RAYJOB_PLURAL,
        description="A program that runs on a Ray cluster of its own, or on an existing one.",
        columns=COLUMNS,
        spec=rayjob_spec(kubernetes),
        status=status,
        older=(V1ALPHA1,),
    ).crd()


def rayjob_spec(kubernetes: KubernetesTypes) -> Schema:
    """The schema of a RayJob's spec.

    The CRD of RayCluster describes the fields of the cluster. What may not change there may change here: it
    counts for the next attempt's cluster.
    """
    spec = model_schema(RayJobSpec, compact(kubernetes))
    _shorten(spec["properties"], "rayClusterSpec")
    return spec


def _shorten(properties: Schema, name: str) -> None:
    described = properties[name]["description"]
    shorter = without_transitions(without_descriptions(properties[name]))
    properties[name] = {"description": described, **shorter}
