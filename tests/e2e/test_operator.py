"""The operator's own pod: its rights on its node, and clusters that run on without it."""

import json
from datetime import datetime, timedelta

import pytest

from support.installation import Installation, Object
from support.live_cluster import LiveCluster, container_id, uid
from support.operator_process import RELEASE
from support.waiting import eventually, throughout

pytestmark = pytest.mark.timeout(300)  # The first test also brings up the nodes and the clusters.

FINALIZER = "rayfleet.io/test-looks-at-its-end"
LOOK = """
import json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
read_only = bool(os.statvfs("/").f_flag & os.ST_RDONLY)
print(json.dumps([os.getuid(), os.getgid(), int(status["CapEff"], 16), int(status["NoNewPrivs"]), read_only]))
"""


def test_it_runs_as_nobody_and_cannot_change_its_node(installation: Installation) -> None:
    """Not root, no capability, no way to gain one, and a root file system that cannot be written."""
    pod = installation.operator_pod()["metadata"]["name"]
    said = installation.kubectl("exec", f"--namespace={RELEASE}", pod, "--", "python", "-c", LOOK)
    assert json.loads(said) == [65532, 65532, 0, 1, True]


def test_a_running_cluster_is_not_touched_when_the_operator_goes_and_comes(quick: LiveCluster) -> None:
    """No pod is replaced or restarted and nothing is written; then the next operator acts."""
    before = objects(quick)
    gone = quick.installation.operator_pod()
    quick.installation.api.namespace(RELEASE).delete_pod(gone["metadata"]["name"])
    quick.installation.await_operator(other_than=gone)
    throughout("nothing is touched", lambda: objects(quick) == before, seconds=3)
    old = {uid(pod) for pod in quick.namespace.pods()}
    quick.scale(3)
    eventually("a third worker", lambda: len(quick.workers()) == 3, why=quick.installation.why)
    quick.await_whole()
    assert old < {uid(pod) for pod in quick.namespace.pods()}
    quick.await_ray()


def objects(cluster: LiveCluster) -> dict[str, str]:
    """A value for each object of the cluster that changes if it is replaced, restarted or written."""
    stored = [cluster.stored(), *cluster.namespace.services()]
    versions = {uid(item): str(item["metadata"]["resourceVersion"]) for item in stored}
    return versions | {uid(pod): container_id(pod) for pod in cluster.namespace.pods()}


def test_it_ends_within_five_seconds_of_sigterm(installation: Installation) -> None:
    """By itself, with status 0. A finalizer of the test's keeps the pod's last state readable."""
    namespace = installation.api.namespace(RELEASE)
    pod = installation.operator_pod()
    name = pod["metadata"]["name"]
    finalize(installation, name, [FINALIZER])
    try:
        namespace.delete_pod(name)
        ended = eventually("the operator to end", lambda: end_of(installation, pod), why=installation.why)
    finally:
        finalize(installation, name, [])
    state, asked = ended
    assert state["exitCode"] == 0
    # The API server counts in whole seconds.
    assert (datetime.fromisoformat(state["finishedAt"]) - asked).total_seconds() <= 5
    installation.await_operator(other_than=pod)


def finalize(installation: Installation, pod: str, finalizers: list[str]) -> None:
    path = f"/api/v1/namespaces/{RELEASE}/pods/{pod}"
    body = {"metadata": {"finalizers": finalizers}}
    installation.api.call("PATCH", path, body, content_type="application/merge-patch+json")


def end_of(installation: Installation, pod: Object) -> tuple[Object, datetime] | None:
    """How the operator's container ended, and when its pod's deletion was asked for; None while it runs."""
    namespace = installation.api.namespace(RELEASE)
    now = next(each for each in namespace.pods("") if uid(each) == uid(pod))
    state = now["status"]["containerStatuses"][0]["state"].get("terminated")
    if state is None:
        return None
    grace = timedelta(seconds=now["metadata"]["deletionGracePeriodSeconds"])
    return state, datetime.fromisoformat(now["metadata"]["deletionTimestamp"]) - grace
