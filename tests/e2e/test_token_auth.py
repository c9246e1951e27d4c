"""A cluster whose Ray asks for a token: real Ray, and the Secret that the operator has made."""

import base64
import json

import pytest

from demo.errors import DemoError
from support.explaining import explain
from support.live_cluster import LiveCluster
from support.operator_process import RELEASE
from support.ray_driver import ray_driver
from support.round_trip import GPU_WORK
from support.waiting import eventually

pytestmark = pytest.mark.timeout(400)  # The first test also brings up the nodes and the clusters.

READABLE_BY_MANY = ("events", "rayclusters.ray.io", "pods", "services", "configmaps", "leases")


def secret_of(cluster: LiveCluster) -> dict[str, str]:
    found = cluster.installation.api.call("GET", f"/api/v1/namespaces/{cluster.name}/secrets/{cluster.name}")
    data: dict[str, str] = found["data"]
    return data


def test_a_cluster_in_token_mode_follows_its_queue_and_explains_itself(token: LiveCluster) -> None:
    """The operator, the workers and the user's `explain` use the token, from 0 workers to 0 again."""
    why = token.installation.why
    with ray_driver(token) as driver:
        driver.do(GPU_WORK)
        assert driver.do("began, ended = ray.get(on_gpu.remote()); answer = ended >= began")
        asked = json.loads(explain(token, "-o", "json"))
        assert asked["queue"] == {"known": True, "message": ""}
        eventually("the idle worker to go", lambda: not token.workers(), seconds=30, why=why)

    def at_rest() -> bool:
        return bool(token.namespace.condition(token.name, "Autoscaling")["reason"] == "AsWanted")

    eventually("the status to say that nothing is left to do", at_rest, why=why)


def test_a_client_without_the_token_is_refused_by_ray(token: LiveCluster) -> None:
    """Both without a token and with a wrong one."""
    said = token.in_head("ray", "status")
    assert "headgroup" in said, said
    for change in (("-u", "RAY_AUTH_MODE", "-u", "RAY_AUTH_TOKEN"), ("RAY_AUTH_TOKEN=another",)):
        with pytest.raises(DemoError, match="InvalidAuthToken"):
            token.in_head("env", *change, "ray", "status")


def test_the_token_is_shown_to_nobody(token: LiveCluster) -> None:
    """It is in the Secret, and in no log, event, status or other object."""
    data = secret_of(token)
    assert list(data) == ["auth_token"]
    secret = base64.b64decode(data["auth_token"]).decode()
    assert len(secret) >= 40
    kubectl = token.installation.kubectl
    selected = ("--selector=app.kubernetes.io/name=rayfleet", "--tail=-1")
    shown = {"logs": kubectl("logs", f"--namespace={RELEASE}", *selected)}
    for kind in READABLE_BY_MANY:
        shown[kind] = kubectl("get", kind, "--all-namespaces", "--output=json", "--show-managed-fields")
    assert token.name in shown["logs"]
    for where, text in shown.items():
        assert secret not in text, where
        assert data["auth_token"] not in text, where
