"""A multi-host group whose cluster asks for a token, under the chart's rights."""

import base64
from collections import Counter
from typing import Any

from support.builders import group, raycluster, spec
from support.cluster_api import Namespace
from support.operator_process import OperatorProcess
from support.waiting import eventually

WORKERS = "ray.io/node-type=worker"
REPLICA = "ray.io/worker-group-replica-name"


def replicas(namespace: Namespace) -> Counter[str]:
    """Hosts by replica, without terminating ones."""
    return Counter(str(pod["metadata"]["labels"][REPLICA]) for pod in namespace.living_pods(WORKERS))


def whole(namespace: Namespace, without: str = "") -> list[str] | None:
    """The two replicas, once each has its two hosts and none is `without`."""
    found = replicas(namespace)
    return sorted(found) if list(found.values()) == [2, 2] and without not in found else None


def secret(namespace: Namespace) -> dict[str, Any]:
    made: dict[str, Any] = namespace.api.call("GET", f"/api/v1/namespaces/{namespace.name}/secrets/demo")
    return made


def test_a_replica_that_lost_a_host_is_recreated_and_the_token_stays(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The other replica is not touched."""
    fields = spec(group("tpu", replicas=2, numOfHosts=2), authOptions={"mode": "token"})
    namespace.apply(raycluster(spec_fields=fields))
    broken, sound = eventually("two whole replicas", lambda: whole(namespace))
    token = base64.b64decode(secret(namespace)["data"]["auth_token"])
    assert len(token) == 43
    names = {service["metadata"]["name"] for service in namespace.services()}
    assert names == {"demo-head-svc", "demo-headless"}
    namespace.make_ready()
    status = eventually(
        "a status that counts pods",
        lambda: (s := namespace.cluster("demo").get("status", {})).get("readyWorkerReplicas") == 4 and s,
    )
    assert (status["desiredWorkerReplicas"], status["workerGroups"][0]["lastIndex"]) == (4, 4)

    lost = namespace.living_pods(f"{WORKERS},{REPLICA}={broken}")[0]["metadata"]["name"]
    namespace.delete_pod(lost)
    assert sound in eventually("another whole replica", lambda: whole(namespace, without=broken))
    assert base64.b64decode(secret(namespace)["data"]["auth_token"]) == token
    assert token.decode() not in str([namespace.cluster("demo"), namespace.events(), namespace.pods("")])
    assert operator.runs
