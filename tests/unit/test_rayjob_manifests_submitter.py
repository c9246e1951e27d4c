"""The Kubernetes Job that submits: a default pod that starts wherever the head did, or the user's own."""

from typing import Any

import orjson
import pytest

from rayfleet.kinds.rayjob.manifests import script
from rayfleet.kinds.rayjob.manifests.submitter import Destination, submitter_job
from support.manifest_samples import cluster, environment, template
from support.rayjob_samples import UID, cluster_spec, cluster_spec_of, rayjob, spec_of

LABELS = {
    "ray.io/originated-from-cr-name": "train",
    "ray.io/originated-from-crd": "RayJob",
    "app.kubernetes.io/created-by": "kuberay-operator",
}
ADDRESS = "demo-head-svc.team-a.svc.cluster.local:8265"
MOUNTED = "/var/run/secrets/ray.io/serviceaccount"


def built(
    head: dict[str, Any] | None = None, cluster_fields: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    job = rayjob(**fields)
    of = cluster_spec_of(cluster_spec(head, **(cluster_fields or {})))
    return submitter_job(job, spec_of(job), Destination(cluster(), of, ADDRESS), "train-x7k2p")


def pod_of(body: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = body["spec"]["template"]["spec"]
    return pod


def submitter_of(body: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = pod_of(body)["containers"][0]
    return container


def pod(container: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A user's own template."""
    return {"spec": {"containers": [{"name": "mine", "image": "example.org/mine", **container}], **fields}}


def test_by_default_the_job_runs_the_heads_image_and_is_named_as_the_rayjob() -> None:
    body = built()
    container = submitter_of(body)
    assert body["metadata"] == {
        "name": "train",
        "namespace": "team-a",
        "labels": LABELS,
        "annotations": body["metadata"]["annotations"],
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
    assert body["spec"]["backoffLimit"] == 2
    assert body["spec"]["template"]["metadata"] == {"labels": LABELS}
    assert pod_of(body)["restartPolicy"] == "Never"
    assert {field: container[field] for field in ("name", "image", "command", "resources")} == {
        "name": "ray-job-submitter",
        "image": "example.org/ray:2.60.0",
        "command": ["/bin/bash", "-ce", "--"],
        "resources": {
            "requests": {"cpu": "500m", "memory": "200Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
    }


def test_the_container_is_told_what_to_submit_and_where() -> None:
    variables = environment(submitter_of(built(entrypoint="echo $(HOME) $X")))
    submission = orjson.loads(variables.pop("RAYFLEET_SUBMISSION").replace("$$", "$"))
    assert submission == {"entrypoint": "echo $(HOME) $X", "submission_id": "train-x7k2p"}
    assert variables == {
        "RAY_DASHBOARD_ADDRESS": ADDRESS,
        "RAY_JOB_SUBMISSION_ID": "train-x7k2p",
        "PYTHONUNBUFFERED": "1",
    }


def test_the_default_pod_prefers_the_heads_node_where_the_image_is() -> None:
    """It does not insist: the node may be full."""
    affinity = pod_of(built())["affinity"]["podAffinity"]
    assert affinity == {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "podAffinityTerm": {
                    "labelSelector": {"matchLabels": {"ray.io/cluster": "demo", "ray.io/node-type": "head"}},
                    "topologyKey": "kubernetes.io/hostname",
                },
            }
        ]
    }


def test_the_default_pod_may_start_where_the_head_may() -> None:
    """It has the head's image, so it needs what that needs, but no GPU, no volume and no place of its own."""
    secure = {"runAsNonRoot": True, "allowPrivilegeEscalation": False}
    needed = {
        "imagePullSecrets": [{"name": "registry"}],
        "serviceAccountName": "ray",
        "securityContext": {"runAsUser": 1000},
        "tolerations": [{"key": "ray", "operator": "Exists"}],
    }
    head = template(
        pod={
            **needed,
            "nodeSelector": {"a": "b"},
            "volumes": [{"name": "data"}],
            "priorityClassName": "high",
        },
        imagePullPolicy="Never",
        securityContext=secure,
        resources={"limits": {"nvidia.com/gpu": 1}},
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    made = pod_of(built({"template": head}))
    container = made["containers"][0]
    assert {field: made[field] for field in needed} == needed
    assert made.keys() == needed.keys() | {
        *("affinity", "automountServiceAccountToken", "containers", "restartPolicy")
    }
    assert (container["imagePullPolicy"], container["securityContext"]) == ("Never", secure)
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert "volumeMounts" not in container


def test_the_default_pod_starts_only_where_its_image_runs() -> None:
    """The head's other demands on its node are not the submitter's."""
    platform = {"kubernetes.io/arch": "arm64"}
    head = {"template": template(pod={"nodeSelector": {**platform, "pool": "heads"}})}
    assert pod_of(built(head))["nodeSelector"] == platform


def test_the_default_pod_gets_no_token_for_the_api_server() -> None:
    """Its program talks to Ray only, while the head's service account may have rights."""
    assert pod_of(built())["automountServiceAccountToken"] is False
    assert "automountServiceAccountToken" not in pod_of(built(submitterPodTemplate=pod({})))


def test_a_users_template_gets_labels_and_variables_and_keeps_the_rest() -> None:
    own = {
        "metadata": {"labels": {"team": "a", "ray.io/originated-from-crd": "x"}, "annotations": {"b": "c"}},
        "spec": {
            "containers": [
                {"name": "mine", "image": "example.org/mine", "env": [{"name": "A", "value": "1"}]},
                {"name": "other"},
            ],
            "nodeSelector": {"a": "b"},
            "restartPolicy": "OnFailure",
        },
    }
    body = built(submitterPodTemplate=own)
    assert body["spec"]["template"]["metadata"] == {
        "labels": {"team": "a", **LABELS},
        "annotations": {"b": "c"},
    }
    made = pod_of(body)
    assert made["containers"][1:] == [{"name": "other"}]
    assert (made["nodeSelector"], made["restartPolicy"]) == ({"a": "b"}, "OnFailure")
    assert "affinity" not in made
    assert "podFailurePolicy" not in body["spec"], "Kubernetes takes none with this restart policy"
    container = submitter_of(body)
    assert (container["name"], container["image"]) == ("mine", "example.org/mine")
    assert container["command"] == ["/bin/bash", "-ce", "--"]
    assert environment(container)["A"] == "1"


def test_a_users_command_stays_as_it_is() -> None:
    """A submitter of another kind finds its address and id in the environment."""
    given = {"command": ["submitter"], "args": ["--", "python", "main.py"]}
    container = submitter_of(built(submitterPodTemplate=pod(given)))
    assert (container["command"], container["args"]) == (given["command"], given["args"])
    assert environment(container) == {
        "RAY_DASHBOARD_ADDRESS": ADDRESS,
        "RAY_JOB_SUBMISSION_ID": "train-x7k2p",
        "PYTHONUNBUFFERED": "1",
    }


def test_arguments_without_a_command_are_replaced() -> None:
    """They would go to our program."""
    container = submitter_of(built(submitterPodTemplate=pod({"args": ["--", "python"]})))
    assert container["args"] == script.command()["args"]


@pytest.mark.parametrize(
    "given", [{"spec": {}}, {"spec": {"containers": []}}, {}], ids=["no list", "no container", "nothing"]
)
def test_a_template_without_a_container_gets_the_default_one(given: dict[str, Any]) -> None:
    assert submitter_of(built(submitterPodTemplate=given))["name"] == "ray-job-submitter"


def test_a_container_without_an_image_gets_the_heads() -> None:
    """So its resources can be set without writing down everything else."""
    head = {"template": template(imagePullPolicy="Always")}
    resources = {"limits": {"cpu": "100m"}}
    given = {"spec": {"containers": [{"name": "mine", "resources": resources}]}}
    container = submitter_of(built(head, submitterPodTemplate=given))
    assert (container["image"], container["imagePullPolicy"]) == ("example.org/ray:2.60.0", "Always")
    assert container["resources"] == resources


def test_the_users_variables_yield_only_where_the_job_would_go_wrong() -> None:
    env = [
        {"name": "RAY_DASHBOARD_ADDRESS", "value": "elsewhere"},
        {"name": "RAY_JOB_SUBMISSION_ID", "value": "another"},
        {"name": "PYTHONUNBUFFERED", "value": ""},
        {"name": "AT", "value": "http://$(RAY_DASHBOARD_ADDRESS)"},
    ]
    listed = submitter_of(built(submitterPodTemplate=pod({"env": env})))["env"]
    names = [variable["name"] for variable in listed]
    assert len(names) == len(set(names))
    assert names.index("RAY_DASHBOARD_ADDRESS") < names.index("AT"), "it can refer to ours"
    found = {variable["name"]: variable["value"] for variable in listed}
    assert found["RAY_DASHBOARD_ADDRESS"] == ADDRESS
    assert found["RAY_JOB_SUBMISSION_ID"] == "train-x7k2p"
    assert found["PYTHONUNBUFFERED"] == ""


TOKEN = {"authOptions": {"mode": "token"}}


def token_of(body: dict[str, Any]) -> object:
    return environment(submitter_of(body)).get("RAY_AUTH_TOKEN")


@pytest.mark.parametrize("own", [None, pod({}), pod({"command": ["mine"]})])
def test_a_cluster_with_a_token_gives_it_to_the_submitter(own: dict[str, Any] | None) -> None:
    fields = {} if own is None else {"submitterPodTemplate": own}
    body = built(cluster_fields=TOKEN, **fields)
    assert environment(submitter_of(body))["RAY_AUTH_MODE"] == "token"
    assert token_of(body) == {"secretKeyRef": {"name": "demo", "key": "auth_token"}}


def test_the_submitters_token_is_the_heads_own() -> None:
    """The template may name another Secret."""
    own = {"secretKeyRef": {"name": "mine", "key": "t"}}
    head = {"template": template(env=[{"name": "RAY_AUTH_TOKEN", "valueFrom": own}])}
    assert token_of(built(head, TOKEN)) == own
    theirs = pod({"env": [{"name": "RAY_AUTH_TOKEN", "value": "theirs"}]})
    assert token_of(built(head, TOKEN, submitterPodTemplate=theirs)) == "theirs"


def test_a_kubernetes_token_is_mounted_where_ray_reads_it() -> None:
    """That is the only token of the pod, and its program needs it."""
    body = built(cluster_fields={"authOptions": {"mode": "token", "enableK8sTokenAuth": True}})
    (mount,) = submitter_of(body)["volumeMounts"]
    (volume,) = pod_of(body)["volumes"]
    assert mount["mountPath"] == MOUNTED
    assert volume["projected"] == {"sources": [{"serviceAccountToken": {"path": "token"}}]}
    assert {"name": "RAY_ENABLE_K8S_TOKEN_AUTH", "value": "true"} in submitter_of(body)["env"]


def test_how_often_a_failed_submitter_is_replaced_is_the_users_choice() -> None:
    assert built(submitterConfig={"backoffLimit": 0})["spec"]["backoffLimit"] == 0
    assert built(submitterConfig={})["spec"]["backoffLimit"] == 2


def test_a_pod_that_the_cluster_disrupts_does_not_count_as_a_failure() -> None:
    """And after a final refusal, or once Ray has lost the job, no other pod submits it."""
    ignored = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    final = {"containerName": "ray-job-submitter", "operator": "In", "values": [65, 69]}
    rules = [{"action": "FailJob", "onExitCodes": final}, ignored]
    assert built()["spec"]["podFailurePolicy"] == {"rules": rules}
    own = built(submitterPodTemplate=pod({"command": ["mine"]}))
    assert own["spec"]["podFailurePolicy"] == {"rules": [ignored]}, "its exit codes may mean anything"


def test_a_job_for_another_attempt_has_another_hash() -> None:
    """An existing Job of that name counts as created only if it submits the same."""
    job = rayjob()
    destination = Destination(cluster(), cluster_spec_of(cluster_spec()), ADDRESS)
    made = [submitter_job(job, spec_of(job), destination, name)["metadata"] for name in ("a", "b", "a")]
    hashes = [metadata["annotations"]["rayfleet.io/template-hash"] for metadata in made]
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize("image", [None, 7, {}])
def test_any_shape_of_template_produces_a_job(image: object) -> None:
    """The API server names what is wrong with it."""
    odd = {"metadata": None, "spec": {"containers": [image], "volumes": 3}}
    assert submitter_of(built(submitterPodTemplate=odd))["command"]
