"""The CustomResourceDefinition of RayCluster."""

from typing import Final

from crds.definition import V1ALPHA1, Crd, Definition, column
from crds.kubernetes_types import KubernetesTypes
from crds.model_schema import model_schema
from crds.status_schema import status_schema
from rayfleet.api.names import KIND, PLURAL
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import RayClusterStatus

COLUMNS: Final = (
    column("desired workers", ".status.desiredWorkerReplicas", "integer"),
    column("available workers", ".status.availableWorkerReplicas", "integer"),
    column("cpus", ".status.desiredCPU"),
    column("memory", ".status.desiredMemory"),
    column("gpus", ".status.desiredGPU"),
    column("tpus", ".status.desiredTPU", wide=True),
    column("status", ".status.state"),
    # `status` stays ready after the first full start, as tools expect; this column shows the current state.
    column("ready", '.status.conditions[?(@.type=="Ready")].status'),
    column("age", ".metadata.creationTimestamp", "date"),
    column("head pod IP", ".status.head.podIP", wide=True),
    column("head service IP", ".status.head.serviceIP", wide=True),
)


def raycluster_crd(kubernetes: KubernetesTypes) -> Crd:
    """The CRD as an object."""
    return Definition(
        kind=KIND,
        plural=PLURAL,
        description="A Ray cluster: a head and groups of workers.",
        columns=COLUMNS,
        spec=model_schema(RayClusterSpec, kubernetes),
        status=status_schema(RayClusterStatus),
        older=(V1ALPHA1,),
    ).crd()
