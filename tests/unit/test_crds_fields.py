"""The CRD has every field of the RayCluster API, and every field of our own from the start."""

import pytest

from crds.cli import KUBERNETES_TYPES
from crds.kubernetes_types import KubernetesTypes
from crds.model_schema import model_schema
from rayfleet.api.raycluster import RayClusterSpec

SPEC = model_schema(RayClusterSpec, KubernetesTypes.load(KUBERNETES_TYPES))

# Parts of the spec and their fields: those of the RayCluster API, then our own.
FIELDS = {
    "": (
        "rayVersion headGroupSpec workerGroupSpecs enableInTreeAutoscaling autoscalerOptions suspend"
        " managedBy headServiceAnnotations gcsFaultToleranceOptions upgradeStrategy authOptions networkPolicy"
        " tlsOptions historyServerOptions"
        " idleTerminationOptions idleSuspend drainOptions"
    ),
    "headGroupSpec": (
        "template rayStartParams serviceType headService enableIngress ingressOptions resources labels"
    ),
    "headGroupSpec.ingressOptions": "host path pathType tls",
    "workerGroupSpecs": (
        "groupName replicas minReplicas maxReplicas numOfHosts rayStartParams resources labels template"
        " scaleStrategy suspend idleTimeoutSeconds priority"
        " failurePolicy fallback"
    ),
    "workerGroupSpecs.scaleStrategy": "workersToDelete scaleGate",
    "workerGroupSpecs.scaleStrategy.scaleGate": "name",
    "workerGroupSpecs.failurePolicy": (
        "initialBackoffSeconds maxBackoffSeconds nodeFailureThreshold nodeExclusionSeconds"
        " nodeNotReadySeconds joinTimeoutSeconds maxSurge"
    ),
    "workerGroupSpecs.fallback": "groups afterSeconds",
    "autoscalerOptions": (
        "resources image imagePullPolicy securityContext idleTimeoutSeconds upscalingMode version env envFrom"
        " volumeMounts command args"
        " runtime target metrics behavior failInfeasibleTasks"
    ),
    "autoscalerOptions.metrics": "type query targetValue workerGroup",
    "autoscalerOptions.behavior.scaleDown": "stabilizationWindowSeconds policies selectPolicy",
    "autoscalerOptions.behavior.scaleUp.policies": "type value periodSeconds",
    "gcsFaultToleranceOptions": (
        "backend redisAddress redisUsername redisPassword externalStorageNamespace storage"
    ),
    "gcsFaultToleranceOptions.redisPassword": "value valueFrom",
    "gcsFaultToleranceOptions.storage": (
        "claimName size storageClassName accessModes subPath deletionPolicy"
    ),
    "upgradeStrategy": "type maxUnavailable maxSurge",
    "authOptions": "mode enableK8sTokenAuth secretName",
    "networkPolicy": "mode head worker workerGroups",
    "networkPolicy.worker": "ingressRules egressRules",
    "networkPolicy.workerGroups": "groupName ingressRules egressRules",
    "tlsOptions": "enabled",
    "historyServerOptions.collectorOptions": "image imagePullPolicy resources env",
    "idleTerminationOptions": "timeoutSeconds policy",
    "drainOptions": "voluntarySeconds involuntarySeconds",
}


@pytest.mark.parametrize("part", FIELDS)
def test_every_field_is_there(part: str) -> None:
    """Each is there under its name in manifests."""
    node = SPEC
    for name in filter(None, part.split(".")):
        node = node["properties"][name]
        node = node.get("items", node)
    assert set(FIELDS[part].split()) == set(node["properties"])
