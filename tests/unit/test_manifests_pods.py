"""Head and worker pods as a whole: golden bodies, metadata, hashes, and unchanged inputs."""

import copy
from typing import Any

import pytest

from rayfleet.kinds.raycluster.manifests import head_pod, worker_pod_name, worker_pods
from rayfleet.kinds.raycluster.manifests.worker_pod import PodFactory
from support.manifest_samples import UID, built_head, built_worker, cluster, ray, spec, template, worker_group

OWNER = {
    "apiVersion": "ray.io/v1",
    "kind": "RayCluster",
    "name": "demo",
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
HEAD_COMMAND = (
    "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}; ray start --head --block"
    " --dashboard-agent-listen-port=52365 --dashboard-host=0.0.0.0 --memory=4294967296"
    " --metrics-export-port=8080 --num-cpus=2 --num-gpus=1"
)
WORKER_COMMAND = (
    "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}; ray start"
    " --address=demo-head-svc.team-a.svc.cluster.local:6379 --block"
    " --dashboard-agent-listen-port=52365 --metrics-export-port=8080"
)
APP = {"app.kubernetes.io/name": "kuberay", "app.kubernetes.io/created-by": "kuberay-operator"}


def without_environment_and_probes(body: dict[str, Any]) -> dict[str, Any]:
    """The pod's spec without the parts that have their own tests."""
    trimmed: dict[str, Any] = copy.deepcopy(body["spec"])
    for field in ("env", "livenessProbe", "readinessProbe"):
        del trimmed["containers"][0][field]
    for container in trimmed.get("initContainers", ()):
        del container["command"]
    return trimmed


def test_a_head_with_a_gpu() -> None:
    """The body is written out by hand."""
    resources = {"limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}}
    given = template({"labels": {"team": "x"}}, {"nodeSelector": {"pool": "gpu"}}, resources=resources)
    built = head_pod(cluster(), spec(head={"template": given}), 7)

    assert built.name == built.body["metadata"]["name"]
    assert (built.body["apiVersion"], built.body["kind"]) == ("v1", "Pod")
    assert built.body["metadata"] == {
        "name": built.name,
        "namespace": "team-a",
        "labels": {
            "team": "x",
            "ray.io/cluster": "demo",
            "ray.io/node-type": "head",
            "ray.io/group": "headgroup",
            "ray.io/identifier": "demo-head",
            "ray.io/is-ray-node": "yes",
            **APP,
        },
        "annotations": {"rayfleet.io/head-epoch": "7", "rayfleet.io/template-hash": built.template_hash},
        "ownerReferences": [OWNER],
    }
    assert without_environment_and_probes(built.body) == {
        "nodeSelector": {"pool": "gpu"},
        "containers": [
            {
                "name": "ray",
                "image": "example.org/ray:2.60.0",
                "resources": resources,
                "command": ["/bin/bash", "-c", "--"],
                "args": [HEAD_COMMAND],
                "ports": [{"name": "metrics", "containerPort": 8080}],
                "volumeMounts": [{"name": "shared-mem", "mountPath": "/dev/shm"}],  # noqa: S108 - in a pod
            }
        ],
        "volumes": [{"name": "shared-mem", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}}],
    }


def test_a_worker() -> None:
    """The body is written out by hand."""
    of = spec(worker={"groupName": "GPU.big", "template": template(imagePullPolicy="Always")})
    factory = worker_pods(cluster(), of, worker_group(of))
    body = factory.named(12)

    assert body["metadata"] == {
        "name": worker_pod_name(cluster(), "GPU.big", 12),
        "namespace": "team-a",
        "labels": {
            "ray.io/cluster": "demo",
            "ray.io/node-type": "worker",
            "ray.io/group": "GPU.big",
            "ray.io/identifier": "demo-worker",
            "ray.io/is-ray-node": "yes",
            **APP,
        },
        "annotations": {"rayfleet.io/index": "12", "rayfleet.io/template-hash": factory.template_hash},
        "ownerReferences": [OWNER],
    }
    small = {"cpu": "50m", "memory": "32Mi"}
    assert without_environment_and_probes(body) == {
        "containers": [
            {
                "name": "ray",
                "image": "example.org/ray:2.60.0",
                "imagePullPolicy": "Always",
                "command": ["/bin/bash", "-c", "--"],
                "args": [WORKER_COMMAND],
                "ports": [{"name": "metrics", "containerPort": 8080}],
                "volumeMounts": [{"name": "shared-mem", "mountPath": "/dev/shm"}],  # noqa: S108 - in a pod
            }
        ],
        "initContainers": [
            {
                "name": "wait-gcs-ready",
                "image": "example.org/ray:2.60.0",
                "imagePullPolicy": "Always",
                "resources": {"requests": small, "limits": small},
            }
        ],
        "volumes": [{"name": "shared-mem", "emptyDir": {"medium": "Memory"}}],
    }


def test_the_templates_metadata_is_kept_except_for_our_fields() -> None:
    """The user sets labels, annotations and finalizers; we set names, namespace and owner."""
    metadata = {
        "name": "theirs",
        "generateName": "theirs-",
        "namespace": "elsewhere",
        "labels": {"ray.io/group": "x", "ray.io/is-ray-node": "no", "app.kubernetes.io/name": "shop"},
        "annotations": {"sidecar.istio.io/inject": "false", "rayfleet.io/index": "99"},
        "finalizers": ["example.org/hold"],
        "ownerReferences": [{"kind": "Node"}],
    }
    of = spec(worker={"template": template(metadata), "labels": {"app.kubernetes.io/name": "shelf"}})
    built = built_worker(of)["metadata"]

    assert (built["namespace"], built["ownerReferences"]) == ("team-a", [OWNER])
    assert built["name"] == worker_pod_name(cluster(), "gpu", 1)
    assert "generateName" not in built
    assert built["labels"]["ray.io/group"] == "gpu"
    assert built["labels"]["ray.io/is-ray-node"] == "no"
    assert built["labels"]["app.kubernetes.io/name"] == "shelf"
    assert built["annotations"]["sidecar.istio.io/inject"] == "false"
    assert built["annotations"]["rayfleet.io/index"] == "1"
    assert built["finalizers"] == ["example.org/hold"]


def factory_of(
    worker: dict[str, Any] | None = None, head: dict[str, Any] | None = None, version: str = "2.60.0"
) -> PodFactory:
    of = spec(head=head, worker=worker, rayVersion=version)
    return worker_pods(cluster(), of, worker_group(of))


def test_the_hash_depends_on_the_template_alone() -> None:
    """The epoch, the index and the order of keys do not matter; every change of a pod does."""
    same = factory_of({"template": {"spec": template()["spec"], "metadata": {}}, "replicas": 5})
    assert factory_of().template_hash == same.template_hash
    assert head_pod(cluster(), spec(), 1).template_hash == head_pod(cluster(), spec(), 2).template_hash

    variants = [
        factory_of(),
        factory_of({"template": template(image="other")}),
        factory_of({"template": template({"labels": {"a": "b"}})}),
        factory_of({"labels": {"a": "c"}}),
        factory_of({"rayStartParams": {"num-cpus": "1"}}),
        factory_of({"resources": {"disk": "1"}}),
        factory_of({"groupName": "other"}),
        factory_of(head={"rayStartParams": {"port": "6380"}}),
        factory_of(version="2.50.0"),
    ]
    assert len({variant.template_hash for variant in variants}) == len(variants)


def test_pods_of_a_group_share_everything_but_their_names() -> None:
    """A thousand pods are a thousand small objects around one spec."""
    factory = factory_of()
    first, second = factory.named(1), factory.named(2)

    assert first["spec"] is second["spec"]
    assert first["metadata"]["annotations"]["rayfleet.io/index"] == "1"
    assert {
        field for field in first["metadata"] if first["metadata"][field] != second["metadata"][field]
    } == {
        "name",
        "annotations",
    }


def test_the_users_own_metrics_port_is_kept() -> None:
    """Otherwise one is added, as `metrics-export-port` says."""
    own = [{"name": "metrics", "containerPort": 1}]
    assert ray(built_head(spec(head={"template": template(ports=own)})))["ports"] == own

    moved = spec(head={"rayStartParams": {"metrics-export-port": "9090"}, "template": template(ports=None)})
    assert ray(built_head(moved))["ports"] == [{"name": "metrics", "containerPort": 9090}]


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"containers": []}}, {"spec": {"containers": [None]}}]
)
def test_a_template_without_containers_is_left_to_the_api_server(broken: dict[str, Any]) -> None:
    """It reports the fault better than an exception here."""
    body = built_worker(spec(worker={"template": broken}))

    assert body["spec"].get("containers") == (broken.get("spec") or {}).get("containers")
