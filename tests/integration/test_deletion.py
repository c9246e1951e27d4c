"""The end of a RayCluster on a real API server."""

from support.builders import group, raycluster, spec
from support.cluster_api import ApiError, Namespace
from support.operator_process import OperatorProcess
from support.waiting import eventually

REDIS = "ray.io/gcs-ft-redis-cleanup-finalizer"


def is_gone(namespace: Namespace, name: str) -> bool:
    try:
        namespace.cluster(name)
    except ApiError as error:
        return error.status == 404
    return False


def test_a_deleted_cluster_that_kuberays_finalizer_holds_goes_after_its_pods(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The name of what Redis still holds is reported; another's finalizer would have stayed."""
    cluster = raycluster(spec_fields=spec(group(replicas=2)))
    cluster["metadata"]["finalizers"] = [REDIS]
    made = namespace.apply(cluster)
    eventually("all pods", lambda: len(namespace.living_pods()) == 3)
    namespace.delete_cluster("demo")
    eventually("the cluster to go", lambda: is_gone(namespace, "demo"))
    assert not namespace.pods()
    (event,) = eventually("the event", lambda: namespace.events("RedisNotCleanedUp"))
    assert f"under the name {made['metadata']['uid']}, was not deleted" in event["note"]
    assert len(namespace.events("DeletedHeadPod")) == 1
    assert operator.runs
