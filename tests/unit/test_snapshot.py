"""Trimming: whether a head or worker has ended for good, or may live."""

from typing import Any

import pytest

from rayfleet.api.names import Annotation, Label, NodeType
from rayfleet.kinds.raycluster.manifests import head_pod, worker_pods
from rayfleet.kube.objects.pods import Host, pod_from_object
from support.builders import cluster, group, parsed, spec


def pod(spec: dict[str, Any], container: dict[str, Any] | None = None, exit_code: int = 1) -> dict[str, Any]:
    """A running pod whose Ray container has terminated."""
    ray = {"name": "ray", **(container or {})}
    state = {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    return {
        "metadata": {"name": "p", "namespace": "ml", "uid": "u", "resourceVersion": "1"},
        "spec": {"containers": [ray, {"name": "sidecar"}], **spec},
        "status": {"phase": "Running", "containerStatuses": [{"name": "ray", "state": state}]},
    }


ENDS = [
    pytest.param(pod({"restartPolicy": "Never"}), True, id="never restarted"),
    pytest.param(pod({"restartPolicy": "Always"}), False, id="always restarted"),
    pytest.param(pod({}), False, id="restarted by default"),
    pytest.param(pod({"restartPolicy": "OnFailure"}), False, id="restarted on failure"),
    pytest.param(pod({"restartPolicy": "OnFailure"}, exit_code=0), True, id="on failure, but it succeeded"),
    pytest.param(
        pod({"restartPolicy": "Never"}, {"restartPolicy": "Always"}), False, id="the container's own policy"
    ),
    pytest.param(
        pod({"restartPolicy": "Never"}, {"restartPolicyRules": [{"action": "Restart"}]}), False, id="a rule"
    ),
    pytest.param(
        pod({"restartPolicy": "Always"}, {"restartPolicy": "Never"}), True, id="the container's own Never"
    ),
]


@pytest.mark.parametrize(("obj", "ended"), ENDS)
def test_a_container_that_the_kubelet_starts_again_has_not_ended(obj: dict[str, Any], ended: bool) -> None:  # noqa: FBT001 - a table's column
    """Otherwise a second head would be created beside one that restarts."""
    assert pod_from_object(obj).ended is ended


def meshed(node_type: str, ended: str) -> dict[str, Any]:
    """Our pod with the proxy of a mesh before Ray; one of the two has ended."""
    of = cluster()
    body = head_pod(of, parsed(of.spec), 0).body
    if node_type == NodeType.WORKER:
        body = worker_pods(of, parsed(of.spec), parsed(of.spec).worker_group_specs[0]).named(1)
    ray = body["spec"]["containers"][0]
    running: dict[str, Any] = {"running": {}}
    terminated: dict[str, Any] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    states = [{"name": name, "state": terminated if name == ended else running} for name in ("proxy", "ray")]
    return {
        "metadata": {**body["metadata"], "uid": "u", "resourceVersion": "1"},
        "spec": {**body["spec"], "restartPolicy": "Never", "containers": [{"name": "proxy"}, ray]},
        "status": {"phase": "Running", "containerStatuses": states},
    }


@pytest.mark.parametrize("node_type", [NodeType.HEAD, NodeType.WORKER])
def test_only_the_end_of_ray_is_the_end_of_a_pod_with_a_proxy(node_type: str) -> None:
    assert pod_from_object(meshed(node_type, ended="ray")).ended
    assert not pod_from_object(meshed(node_type, ended="proxy")).ended


def a_host(**labels: str | None) -> Host | None:
    """The second host of a replica, with changed labels."""
    fields = spec(group("tpu", 1, numOfHosts=2))
    factory = worker_pods(cluster(fields), parsed(fields), parsed(fields).worker_group_specs[0])
    metadata = factory.replica(3, 7, 2).host(1)["metadata"]
    changed = {name: text for name, text in (metadata["labels"] | labels).items() if text is not None}
    own = {"uid": "u", "resourceVersion": "1", "labels": changed}
    return pod_from_object({"metadata": metadata | own}).host


@pytest.mark.parametrize(
    "labels",
    [{}, {Label.REPLICA_NAME: None}, {Label.REPLICA_INDEX: "x"}, {Label.REPLICA_HOST_INDEX: "0"}],
    ids=str,
)
def test_a_host_is_of_its_replica_whatever_its_labels_say(labels: dict[str, str | None]) -> None:
    """Otherwise the whole replica would be deleted for one label."""
    found = a_host(**labels)
    assert found is not None
    assert (found.replica[:4], found.replica[-2:], found.replica_index, found.host_index) == (
        "tpu-",
        "-7",
        3,
        1,
    )


@pytest.mark.parametrize("note", ["", "x", "r-7/3", "r-7/3/x", "r-x/3/1", "r-8/3/1", "r-7/3/1/1"])
def test_an_annotation_of_a_host_that_contradicts_its_name_is_ignored(note: str) -> None:
    """Then its labels say which host it is, as for pods of an earlier version."""
    labels = {Label.REPLICA_NAME: "r", Label.REPLICA_INDEX: "0", Label.REPLICA_HOST_INDEX: "1"}
    own = {"name": "demo-tpu-worker-abcde-8", "annotations": {Annotation.HOST: note}, "labels": labels}
    obj = pod({})
    assert pod_from_object({**obj, "metadata": obj["metadata"] | own}).host == Host("r", 0, 1)


@pytest.mark.parametrize("text", ["-1", "1e3", "9" * 5000, "9999999999", "", "x"])
def test_a_forged_index_is_ignored(text: str) -> None:
    """Anybody may write an annotation."""
    obj = pod({})
    obj["metadata"]["annotations"] = {"rayfleet.io/index": text, "rayfleet.io/head-epoch": text}
    obj["metadata"]["labels"] = {"ray.io/worker-group-replica-index": text}
    assert (pod_from_object(obj).index, pod_from_object(obj).head_epoch) == (0, None)
    assert pod_from_object(obj).place is None


@pytest.mark.parametrize(
    "text", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "10000-01-01T00:00:00Z"]
)
def test_a_pod_with_an_invalid_time_is_still_read(text: str) -> None:
    """The API server accepts some of them; a dropped pod would be created again."""
    times = {"lastTransitionTime": text, "type": "Ready", "status": "False"}
    ended = {"terminated": {"startedAt": text, "finishedAt": text, "exitCode": 1}}
    status = {
        "phase": "Running",
        "conditions": [times],
        "containerStatuses": [{"name": "ray", "state": ended}],
    }
    metadata = {
        "namespace": "ml",
        "name": "demo-w-1",
        "uid": "u",
        "resourceVersion": "5",
        "creationTimestamp": text,
    }
    containers = [{"name": "ray", "image": "ray"}]
    read = pod_from_object({"metadata": metadata, "spec": {"containers": containers}, "status": status})
    assert read.readiness_since <= 0.0
