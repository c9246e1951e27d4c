"""The environment of the containers, and their shared memory."""

from typing import Any

import pytest

from support.manifest_samples import built_head, built_worker, environment, ray, spec, template

HEAD_HOST = "demo-head-svc.team-a.svc.cluster.local"
SHM = "/dev/shm"  # noqa: S108 - a path in a pod, not here


def field(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


def test_the_environment_of_the_head() -> None:
    """It is written out in full, without the start command."""
    variables = environment(ray(built_head(spec(head={"rayStartParams": {"port": "6380"}}))))

    assert variables.pop("KUBERAY_GEN_RAY_START_CMD").startswith("ray start --head ")
    assert variables == {
        "RAY_CLUSTER_NAME": field("metadata.labels['ray.io/cluster']"),
        "RAY_CLUSTER_NAMESPACE": field("metadata.namespace"),
        "RAY_CLOUD_INSTANCE_ID": field("metadata.name"),
        "RAY_NODE_TYPE_NAME": field("metadata.labels['ray.io/group']"),
        "RAY_PORT": "6380",
        "RAY_ADDRESS": "127.0.0.1:6380",
        "RAY_USAGE_STATS_KUBERAY_IN_USE": "1",
        "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE": "1",
    }


def test_a_worker_also_knows_the_address_of_the_head() -> None:
    """The address is the Service's name, with the head's port."""
    variables = environment(ray(built_worker(spec(head={"rayStartParams": {"port": "6380"}}))))

    assert variables["FQ_RAY_IP"] == HEAD_HOST
    assert variables["RAY_IP"] == "demo-head-svc"
    assert variables["RAY_PORT"] == "6380"
    assert variables["RAY_ADDRESS"] == f"{HEAD_HOST}:6380"


@pytest.mark.parametrize(
    "name",
    ["RAY_PORT", "RAY_ADDRESS", "RAY_USAGE_STATS_KUBERAY_IN_USE", "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE"],
)
def test_a_users_value_wins_over_our_defaults(name: str) -> None:
    """These variables are preferences."""
    container = ray(
        built_worker(spec(worker={"template": template(env=[{"name": name, "value": "theirs"}])}))
    )

    assert environment(container)[name] == "theirs"
    assert [entry["name"] for entry in container["env"]].count(name) == 1


@pytest.mark.parametrize(
    "name",
    [
        "RAY_CLUSTER_NAME",
        "RAY_CLUSTER_NAMESPACE",
        "RAY_CLOUD_INSTANCE_ID",
        "RAY_NODE_TYPE_NAME",
        "KUBERAY_GEN_RAY_START_CMD",
        "FQ_RAY_IP",
        "RAY_IP",
    ],
)
def test_a_user_cannot_change_a_fact_about_the_pod(name: str) -> None:
    """A pod under another name or group would be a stranger to the autoscaler. Once only: no duplicate."""
    theirs = [{"name": name, "value": "theirs"}, {"name": "MINE", "value": "x"}]
    container = ray(built_worker(spec(worker={"template": template(env=theirs)})))

    assert environment(container)[name] != "theirs"
    assert environment(container)["MINE"] == "x"
    assert [entry["name"] for entry in container["env"]].count(name) == 1


def test_variables_may_refer_to_each_other() -> None:
    """Kubernetes expands `$(NAME)` from earlier ones: ours come first, then the user's, the command last."""
    container = ray(built_worker(spec(worker={"template": template(env=[{"name": "MINE", "value": "x"}])})))
    order = [entry["name"] for entry in container["env"]]

    assert order.index("RAY_CLOUD_INSTANCE_ID") < order.index("MINE")
    assert order.index("FQ_RAY_IP") < order.index("MINE")
    assert order[-1] == "KUBERAY_GEN_RAY_START_CMD"


def test_the_users_init_containers_come_first_and_know_the_head() -> None:
    """The wait for the head is the last of them."""
    own = {"name": "fetch", "image": "busybox", "env": [{"name": "A", "value": "1"}]}
    group = {"template": template(pod={"initContainers": [own]})}
    worker = built_worker(spec(worker=group))["spec"]["initContainers"]
    head = built_head(spec(head=group))["spec"]["initContainers"]

    assert [container["name"] for container in worker] == ["fetch", "wait-gcs-ready"]
    assert [container["name"] for container in head] == ["fetch"]
    for containers in (worker, head):
        assert environment(containers[0]) == {"A": "1", "FQ_RAY_IP": HEAD_HOST, "RAY_IP": "demo-head-svc"}


def test_a_sidecar_is_not_changed() -> None:
    """Only the first container is Ray's."""
    with_sidecar = template()
    with_sidecar["spec"]["containers"].append({"name": "logs", "image": "fluent-bit"})

    assert built_worker(spec(worker={"template": with_sidecar}))["spec"]["containers"][1:] == [
        {"name": "logs", "image": "fluent-bit"}
    ]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (
            {"limits": {"memory": "4Gi"}, "requests": {"memory": "1Gi"}},
            {"medium": "Memory", "sizeLimit": "4Gi"},
        ),
        ({"requests": {"memory": "1Gi"}}, {"medium": "Memory", "sizeLimit": "1Gi"}),
        ({"limits": {"memory": 1073741824}}, {"medium": "Memory", "sizeLimit": 1073741824}),
        ({"limits": {"cpu": "1"}}, {"medium": "Memory"}),
        (None, {"medium": "Memory"}),
    ],
)
def test_the_object_store_gets_the_containers_memory(resources: object, expected: dict[str, Any]) -> None:
    """A runtime's own /dev/shm has 64 MiB."""
    body = built_head(spec(head={"template": template(resources=resources)}))

    assert body["spec"]["volumes"] == [{"name": "shared-mem", "emptyDir": expected}]
    assert ray(body)["volumeMounts"] == [{"name": "shared-mem", "mountPath": SHM}]


def test_the_users_own_shared_memory_is_kept() -> None:
    """It may be a mount there, a store elsewhere, or a volume of that name."""
    mounted = template(
        volumeMounts=[{"name": "mine", "mountPath": f"{SHM}/"}], pod={"volumes": [{"name": "mine"}]}
    )
    body = built_head(spec(head={"template": mounted}))
    assert body["spec"]["volumes"] == [{"name": "mine"}]
    assert ray(body)["volumeMounts"] == [{"name": "mine", "mountPath": f"{SHM}/"}]

    elsewhere = {"rayStartParams": {"plasma-directory": "/data"}}
    assert "volumes" not in built_head(spec(head=elsewhere))["spec"]

    named = template(pod={"volumes": [{"name": "shared-mem", "emptyDir": {}}]})
    body = built_head(spec(head={"template": named}))
    assert body["spec"]["volumes"] == [{"name": "shared-mem", "emptyDir": {}}]
    assert ray(body)["volumeMounts"] == [{"name": "shared-mem", "mountPath": SHM}]
