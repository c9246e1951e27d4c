"""The cluster of a RayJob: the user's spec as it is, and in SidecarMode a submitter next to the head."""

from typing import Any

import orjson
import pytest

from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.kinds.raycluster.manifests import head_pod
from rayfleet.kinds.raycluster.manifests.pod_template import ray_container
from rayfleet.kinds.rayjob.manifests.cluster import child_cluster
from rayfleet.kube.objects.roots import Root, root_from_object
from support.manifest_samples import environment, template
from support.rayjob_samples import UID, cluster_spec, rayjob, spec_of


def built(job: Root) -> dict[str, Any]:
    return child_cluster(job, spec_of(job), "train-abcde", "train-x7k2p")


def pod_of(body: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = body["spec"]["headGroupSpec"]["template"]["spec"]
    return pod


def sidecar(**head: Any) -> dict[str, Any]:
    spec = cluster_spec(head)
    return built(rayjob(submissionMode="SidecarMode", rayClusterSpec=spec))


def test_the_cluster_has_the_spec_that_the_user_wrote() -> None:
    """A field that this operator does not know may be of a newer version."""
    spec = cluster_spec(unknownField={"a": [1, None]}, enableInTreeAutoscaling=True)
    body = built(rayjob(rayClusterSpec=spec))
    assert body["spec"] == spec
    assert (body["apiVersion"], body["kind"]) == ("ray.io/v1", "RayCluster")


def test_the_cluster_belongs_to_the_job_and_says_so() -> None:
    labels = {"kueue.x-k8s.io/queue-name": "gpus", "ray.io/originated-from-crd": "forged"}
    last = "kubectl.kubernetes.io/last-applied-configuration"
    job = rayjob(labels=labels, annotations={"a": "b", last: "{}"}, submissionMode="HTTPMode")
    assert built(job)["metadata"] == {
        "name": "train-abcde",
        "namespace": "team-a",
        "labels": {
            "kueue.x-k8s.io/queue-name": "gpus",
            "ray.io/originated-from-cr-name": "train",
            "ray.io/originated-from-crd": "RayJob",
            "ray.io/job-submission-mode": "HTTPMode",
        },
        "annotations": {"a": "b"},
        "ownerReferences": [
            {
                "apiVersion": "ray.io/v1",
                "kind": "RayJob",
                "name": "train",
                "uid": UID,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


@pytest.mark.parametrize(
    ("of_job", "of_cluster", "expected"),
    [
        ("rayfleet.io/operator", None, "rayfleet.io/operator"),
        ("rayfleet.io/operator", "", "rayfleet.io/operator"),
        ("rayfleet.io/operator", "ray.io/kuberay-operator", "ray.io/kuberay-operator"),
        ("ray.io/kuberay-operator", None, None),
        (None, None, None),
    ],
)
def test_the_cluster_of_a_job_that_is_ours_by_name_is_ours_too(
    of_job: str | None, of_cluster: str | None, expected: str | None
) -> None:
    """Otherwise another operator on the same Kubernetes would run it."""
    spec = cluster_spec(managedBy=of_cluster)
    body = built(rayjob(managedBy=of_job, rayClusterSpec=spec))
    assert body["spec"]["managedBy"] == expected


def test_in_sidecar_mode_the_submitter_runs_next_to_the_head() -> None:
    """It comes last: the first container is the one that runs Ray."""
    extra = {"name": "proxy", "image": "example.org/proxy"}
    given = template(pod={"nodeSelector": {"a": "b"}}, imagePullPolicy="Never")
    given["spec"]["containers"].append(extra)
    body = sidecar(template=given)
    pod = pod_of(body)
    ray, proxy, submitter = pod["containers"]
    assert (ray, proxy) == (given["spec"]["containers"][0], extra)
    assert (pod["nodeSelector"], pod["restartPolicy"]) == ({"a": "b"}, "Never")
    assert (submitter["name"], submitter["image"]) == ("ray-job-submitter", "example.org/ray:2.60.0")
    assert submitter["imagePullPolicy"] == "Never"
    assert submitter["resources"]["requests"] == {"cpu": "500m", "memory": "200Mi"}
    assert body["metadata"]["annotations"] == {"ray.io/disable-provisioned-head-restart": "true"}
    assert given["spec"]["containers"] == [ray, extra], "the user's own spec is not touched"


def test_the_submitter_next_to_the_head_submits_to_it() -> None:
    variables = environment(pod_of(sidecar())["containers"][-1])
    submission = orjson.loads(variables["RAYFLEET_SUBMISSION"])
    assert submission == {"entrypoint": "python main.py", "submission_id": "train-x7k2p"}
    assert variables["RAY_DASHBOARD_ADDRESS"] == "127.0.0.1:8265"
    assert variables["RAY_JOB_SUBMISSION_ID"] == "train-x7k2p"


@pytest.mark.parametrize(
    ("head", "port"),
    [
        ({"rayStartParams": {"dashboard-port": "8300"}}, 8300),
        ({"template": template(ports=[{"name": "dashboard", "containerPort": 8299}])}, 8299),
        (
            {
                "rayStartParams": {"dashboard-port": "8300"},
                "template": template(ports=[{"name": "dashboard", "containerPort": 8299}]),
            },
            8300,
        ),
        ({"rayStartParams": {"dashboard-port": "$PORT"}}, 8265),
    ],
)
def test_the_submitter_next_to_the_head_knows_the_dashboards_port(head: dict[str, Any], port: int) -> None:
    """What Ray is told counts before what the container declares."""
    variables = environment(pod_of(sidecar(**head))["containers"][-1])
    assert variables["RAY_DASHBOARD_ADDRESS"] == f"127.0.0.1:{port}"


def test_the_submitter_next_to_the_head_has_the_clusters_token() -> None:
    """It is named after the cluster, which does not exist yet."""
    spec = cluster_spec(authOptions={"mode": "token"})
    body = built(rayjob(submissionMode="SidecarMode", rayClusterSpec=spec))
    variables = environment(pod_of(body)["containers"][-1])
    assert variables["RAY_AUTH_TOKEN"] == {"secretKeyRef": {"name": "train-abcde", "key": "auth_token"}}


def test_the_cluster_of_sidecar_mode_is_valid_and_its_head_runs_ray() -> None:
    """The kind RayCluster takes it like any other."""
    body = sidecar()
    parsed = parse_spec(body["spec"])
    assert isinstance(parsed, RayClusterSpec)
    stored = {**body, "metadata": {**body["metadata"], "uid": "u", "resourceVersion": "1"}}
    head = head_pod(root_from_object(stored, "RayCluster"), parsed, 0).body
    ray, submitter = head["spec"]["containers"]
    assert "KUBERAY_GEN_RAY_START_CMD" in environment(ray)
    assert submitter == pod_of(body)["containers"][1]
    assert ray_container(head) == ray


@pytest.mark.parametrize("mode", ["K8sJobMode", "HTTPMode", "InteractiveMode"])
def test_in_other_modes_the_head_is_as_the_user_wrote_it(mode: str) -> None:
    job = rayjob(submissionMode=mode)
    body = built(job)
    assert body["spec"] == job.spec["rayClusterSpec"]
    assert body["metadata"]["annotations"] == {}


@pytest.mark.parametrize("containers", [None, [], {}])
def test_a_head_without_a_container_gets_no_submitter_in_its_place(containers: object) -> None:
    """The API server says what is missing."""
    body = sidecar(template={"spec": {"containers": containers}})
    assert pod_of(body) == {"containers": containers}
