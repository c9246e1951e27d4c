"""Names of a RayJob's objects, and of its job in Ray.

An attempt is one run of the job, counted from 1. Each retry, and each resume, begins a new one.
"""

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.rayjob import RayJobSpec
from rayfleet.kinds.raycluster.manifests.names import fqdn, short_hash
from rayfleet.kinds.raycluster.manifests.services import dashboard_service_port
from rayfleet.kinds.raycluster.pod_settings import DEFAULT_CLUSTER_DOMAIN
from rayfleet.kube.objects.roots import Root


def cluster_name(job: Root, attempt: int) -> str:
    """`<rayjob>-<h>`, for one attempt; at most 53 characters, as a RayJob's name has at most 47."""
    return f"{job.key.name}-{short_hash(job.uid, 'cluster', str(attempt))}"


def job_id(job: Root, spec: RayJobSpec, attempt: int, *, reuses_cluster: bool = False) -> str:
    """Ray's id of the job in an attempt; empty in InteractiveMode until the user says it.

    `reuses_cluster` means that an earlier attempt ran on the same cluster. Ray takes no id twice, so even the
    id that the spec demands gets an ending then.
    """
    demanded = spec.job_id
    if spec.submission_mode == "InteractiveMode" or (demanded and not reuses_cluster):
        return demanded
    return f"{demanded or job.key.name}-{short_hash(job.uid, 'job', str(attempt))}"


def submitter_name(job: Root) -> str:
    """The Kubernetes Job that submits."""
    return job.key.name


def service_name(job: Root) -> str:
    """The Service that leads to the head of the present attempt."""
    return f"{job.key.name}-head-svc"


def dashboard_url(cluster: Root, spec: RayClusterSpec, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """Where the cluster's dashboard is, as `host:port`, through the cluster's own head Service."""
    return f"{fqdn(cluster, spec, cluster_domain)}:{dashboard_service_port(cluster, spec)}"
