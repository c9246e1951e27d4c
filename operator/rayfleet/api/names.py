"""Names on the wire: group, labels, annotations, and the possible managers of a cluster."""

import re
from typing import Final, TypeGuard

GROUP: Final = "ray.io"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
PLURAL: Final = "rayclusters"
KIND: Final = "RayCluster"
RAYJOB_PLURAL: Final = "rayjobs"
RAYJOB_KIND: Final = "RayJob"
RAYCRONJOB_PLURAL: Final = "raycronjobs"
RAYCRONJOB_KIND: Final = "RayCronJob"

OTHER_OPERATOR_LEASE: Final = "ray-operator-leader"
"""The Lease that KubeRay's leader holds."""


START_COMMAND: Final = "KUBERAY_GEN_RAY_START_CMD"
"""The environment variable of the Ray container that holds the command that starts Ray."""


_DNS_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME: Final = 253


def is_object_name(text: object) -> TypeGuard[str]:
    """Whether an object can have this name (a DNS subdomain, RFC 1123).

    Text from a tenant must pass this before it becomes part of a request's path: `../../other` would lead
    into another namespace, with the operator's rights.
    """
    return isinstance(text, str) and len(text) <= _LONGEST_NAME and _DNS_SUBDOMAIN.fullmatch(text) is not None


class Label:
    """Label keys. Ray's own autoscaler, Kueue and `kubectl ray` select by them."""

    CLUSTER: Final = "ray.io/cluster"
    GROUP: Final = "ray.io/group"
    NODE_TYPE: Final = "ray.io/node-type"
    IS_RAY_NODE: Final = "ray.io/is-ray-node"
    IDENTIFIER: Final = "ray.io/identifier"
    APP_NAME: Final = "app.kubernetes.io/name"
    CREATED_BY: Final = "app.kubernetes.io/created-by"
    HEADLESS_WORKER_SERVICE: Final = "ray.io/headless-worker-svc"
    REPLICA_INDEX: Final = "ray.io/worker-group-replica-index"
    REPLICA_NAME: Final = "ray.io/worker-group-replica-name"
    REPLICA_HOST_INDEX: Final = "ray.io/replica-host-index"
    KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"
    CLUSTER_UID: Final = "rayfleet.io/cluster-uid"
    """Set on a head next to one of an earlier cluster of the same name, to distinguish them."""
    ORIGINATED_FROM_CRD: Final = "ray.io/originated-from-crd"
    CRONJOB_NAME: Final = "ray.io/cronjob-name"
    """On a RayJob: the RayCronJob that created it."""
    ORIGINATED_FROM_NAME: Final = "ray.io/originated-from-cr-name"
    SUBMISSION_MODE: Final = "ray.io/job-submission-mode"
    """On the cluster of a RayJob: the job's `submissionMode`."""
    SERVE: Final = "ray.io/serve"
    """Whether the Service of a RayService routes to the pod."""


HEAD_SELECTOR: Final = (Label.CLUSTER, Label.NODE_TYPE, Label.IDENTIFIER, Label.APP_NAME, Label.CREATED_BY)
"""The labels by which a head Service selects the head, as KubeRay's does."""


class Annotation:
    """Annotation keys. This operator writes those under `rayfleet.io/` on pods."""

    OVERWRITE_COMMAND: Final = "ray.io/overwrite-container-cmd"
    FT_ENABLED: Final = "ray.io/ft-enabled"
    EXTERNAL_STORAGE_NAMESPACE: Final = "ray.io/external-storage-namespace"
    FT_DELETION_TIMEOUT: Final = "ray.io/gcs-ft-deletion-timeout"
    NO_HEAD_RESTART: Final = "ray.io/disable-provisioned-head-restart"
    CRONJOB_TIMESTAMP: Final = "ray.io/cronjob-scheduled-timestamp"
    """On a RayJob of a RayCronJob: for which time it was created (RFC 3339)."""
    HEAD_EPOCH: Final = "rayfleet.io/head-epoch"
    INDEX: Final = "rayfleet.io/index"
    TEMPLATE_HASH: Final = "rayfleet.io/template-hash"
    HOST: Final = "rayfleet.io/replica-host"
    """On a host of a multi-host replica: `<replica>/<place>/<host>`, as its labels were at creation."""


class Finalizer:
    """Finalizers that the operator knows."""

    REDIS_CLEANUP: Final = "ray.io/gcs-ft-redis-cleanup-finalizer"
    """KubeRay's: it keeps a deleted cluster until a job has removed its data from Redis."""
    ORPHAN: Final = "orphan"
    """Kubernetes' own, on a deleted object whose children must stay."""
    RAYJOB: Final = "ray.io/rayjob-finalizer"
    """On a RayJob, so that it is stopped in Ray before it goes."""
    KNOWN: Final = frozenset({REDIS_CLEANUP, ORPHAN, RAYJOB})


class NodeType:
    """Values of the node-type label."""

    HEAD: Final = "head"
    WORKER: Final = "worker"


HEAD_GROUP: Final = "headgroup"
"""The group label of a head pod."""


SIDECAR_MODE: Final = "SidecarMode"
"""The `submissionMode` of a RayJob whose submitter is a container next to the head."""

SUBMITTER: Final = "ray-job-submitter"
"""The container that submits a RayJob, unless a template gives it another name."""


class ManagedBy:
    """Values of `spec.managedBy`."""

    KUBERAY: Final = "ray.io/kuberay-operator"
    MULTIKUEUE: Final = "kueue.x-k8s.io/multikueue"
    RAYFLEET: Final = "rayfleet.io/operator"
    ALL: Final = (KUBERAY, MULTIKUEUE, RAYFLEET)
