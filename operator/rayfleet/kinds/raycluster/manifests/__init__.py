"""The Kubernetes objects of a cluster, built from its spec as plain JSON: no clock, no I/O, no mutation.

Templates are the user's JSON and are judged by the API server, not here: any shape of template produces a
body, and the API server names what is wrong with it.
"""

from rayfleet.kinds.raycluster.manifests.auth import (
    TOKEN_KEY,
    SecretKey,
    auth_secret,
    head_token,
    makes_auth_secret,
)
from rayfleet.kinds.raycluster.manifests.head_pod import head_pod
from rayfleet.kinds.raycluster.manifests.metadata import head_selector
from rayfleet.kinds.raycluster.manifests.names import (
    auth_secret_name,
    fqdn,
    head_pod_name,
    head_service_name,
    headless_service_name,
    replica_name,
    worker_pod_name,
)
from rayfleet.kinds.raycluster.manifests.ports import gcs_port
from rayfleet.kinds.raycluster.manifests.ray_pod import PodManifest
from rayfleet.kinds.raycluster.manifests.ray_start import head_resources
from rayfleet.kinds.raycluster.manifests.resources import may_have_accelerators
from rayfleet.kinds.raycluster.manifests.services import head_service, headless_service
from rayfleet.kinds.raycluster.manifests.tpu_slices import HEAD_OF_SLICE, is_of_one_host, slice_of
from rayfleet.kinds.raycluster.manifests.worker_pod import PodFactory, Replica, worker_pods, worker_resources

__all__ = [
    "HEAD_OF_SLICE",
    "TOKEN_KEY",
    "PodFactory",
    "PodManifest",
    "Replica",
    "SecretKey",
    "auth_secret",
    "auth_secret_name",
    "fqdn",
    "gcs_port",
    "head_pod",
    "head_pod_name",
    "head_resources",
    "head_selector",
    "head_service",
    "head_service_name",
    "head_token",
    "headless_service",
    "headless_service_name",
    "is_of_one_host",
    "makes_auth_secret",
    "may_have_accelerators",
    "replica_name",
    "slice_of",
    "worker_pod_name",
    "worker_pods",
    "worker_resources",
]
