"""The head Service: what it selects, what it listens on, and what its user may change."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.manifests import head_service, headless_service
from support.manifest_samples import UID, built_head, cluster, spec, template

SELECTOR = {
    "ray.io/cluster": "demo",
    "ray.io/node-type": "head",
    "ray.io/identifier": "demo-head",
    "app.kubernetes.io/name": "kuberay",
    "app.kubernetes.io/created-by": "kuberay-operator",
}


def tcp(**ports: int) -> list[dict[str, Any]]:
    named = ((name.replace("_", "-"), number) for name, number in ports.items())
    return [{"name": name, "port": number, "appProtocol": "tcp"} for name, number in named]


def service(head: dict[str, Any] | None = None, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return head_service(cluster(), spec(head=head, headServiceAnnotations=annotations))


def ports(head: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service(head)["spec"]["ports"]
    return found


def declaring(*declared: dict[str, Any]) -> dict[str, Any]:
    return {"template": template(ports=list(declared))}


def test_by_default_the_service_is_the_heads_address() -> None:
    """It is headless, and published before the head is ready, because workers join while it starts."""
    assert service(annotations={"a": "b"}) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "demo-head-svc",
            "namespace": "team-a",
            "labels": SELECTOR,
            "annotations": {"a": "b"},
            "ownerReferences": [
                {
                    "apiVersion": "ray.io/v1",
                    "kind": "RayCluster",
                    "name": "demo",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": SELECTOR,
            "ports": tcp(client=10001, dashboard=8265, gcs_server=6379, metrics=8080, serve=8000),
        },
    }


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_a_service_of_another_type_gets_a_cluster_ip(kind: str) -> None:
    """Such a Service shows the head when it is ready."""
    built = service({"serviceType": kind})["spec"]

    assert built["type"] == kind
    assert not {"clusterIP", "publishNotReadyAddresses"} & built.keys()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            {"rayStartParams": {"port": "1", "dashboard-port": "2", "ray-client-server-port": "3"}},
            tcp(client=3, dashboard=2, gcs_server=1, metrics=8080, serve=8000),
        ),
        (
            {"rayStartParams": {"metrics-export-port": "9090", "port": "$PORT"}},
            tcp(client=10001, dashboard=8265, gcs_server=6379, metrics=9090, serve=8000),
        ),
        (
            declaring({"name": "gcs", "containerPort": 6379}, {"containerPort": 8265}),
            [*tcp(**{"8265_port": 8265, "gcs": 6379, "metrics": 8080})],
        ),
        (declaring({"name": "metrics", "containerPort": 1}), tcp(metrics=1)),
        (declaring({"name": "m", "containerPort": 8080}), tcp(m=8080)),
        (
            declaring({"name": "a", "containerPort": 1}, {"name": "b", "containerPort": 1}),
            tcp(a=1, metrics=8080),
        ),
        (
            declaring({"name": "dns", "containerPort": 53, "protocol": "UDP"}),
            [{"name": "dns", "port": 53, "protocol": "UDP"}, *tcp(metrics=8080)],
        ),
    ],
)
def test_ports_are_those_of_the_head(head: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    """They are those that its container declares, else Ray's; metrics always, none twice."""
    assert ports(head) == expected


def test_an_empty_service_type_is_ignored() -> None:
    """Charts write it for an unset value: the Service is headless, with a valid type."""
    assert service({"serviceType": ""}) == service()
    assert service({"serviceType": "", "headService": {"spec": {"type": ""}}})["spec"]["type"] == "ClusterIP"


def test_the_service_of_multi_host_workers_has_the_label_of_its_cluster() -> None:
    """After a return to KubeRay it looks for this label, and stops if the name is taken without it."""
    labels = headless_service(cluster())["metadata"]["labels"]
    assert labels == {"ray.io/cluster": "demo", "ray.io/headless-worker-svc": "demo"}


def test_a_service_with_a_cluster_ip_always_has_the_gcs_port() -> None:
    """Without that port no worker could join; a headless Service needs no ports."""
    declared = declaring({"name": "dashboard", "containerPort": 8265})
    moved = {**declared, "rayStartParams": {"port": "6380"}, "serviceType": "NodePort"}

    assert ports(declared) == tcp(dashboard=8265, metrics=8080)
    assert ports(moved) == tcp(dashboard=8265, gcs_server=6380, metrics=8080)


def test_the_selector_follows_the_head_pods_labels() -> None:
    """A user may relabel the head, and the Service still finds it."""
    head = {
        "template": template({"labels": {"app.kubernetes.io/name": "theirs", "team": "x"}}),
        "labels": {"ray.io/identifier": "mine"},
    }
    built = service(head)
    labels = built_head(spec(head=head))["metadata"]["labels"]

    assert built["spec"]["selector"] == {
        **SELECTOR,
        "app.kubernetes.io/name": "theirs",
        "ray.io/identifier": "mine",
    }
    assert built["spec"]["selector"].items() <= labels.items()


def test_a_users_service_is_merged_over_ours() -> None:
    """The user sets name, labels, type and other fields, but not what workers depend on."""
    own = {
        "metadata": {
            "name": "entry",
            "namespace": "elsewhere",
            "labels": {"team": "x", "ray.io/cluster": "other"},
            "annotations": {"a": "theirs", "b": "theirs"},
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "other"},
            "loadBalancerClass": "example.org/lb",
            "clusterIP": None,
        },
        "status": {"loadBalancer": {}},
    }
    built = service({"headService": own}, annotations={"a": "ours"})

    assert built["metadata"]["name"] == "entry"
    assert built["metadata"]["namespace"] == "team-a"
    assert built["metadata"]["labels"] == {"team": "x", **SELECTOR}
    assert built["metadata"]["annotations"] == {"a": "ours", "b": "theirs"}
    assert built["spec"] == {
        "type": "LoadBalancer",
        "loadBalancerClass": "example.org/lb",
        "selector": SELECTOR,
        "ports": tcp(client=10001, dashboard=8265, gcs_server=6379, metrics=8080, serve=8000),
    }
    assert "status" not in built


def test_a_users_service_without_a_type_is_of_the_groups_type() -> None:
    """It is headless only if the user says so: otherwise their port mapping would be lost."""
    built = service({"headService": {"spec": {}}, "serviceType": "NodePort"})["spec"]
    assert built["type"] == "NodePort"

    built = service({"headService": {"spec": {"clusterIP": "None"}}})["spec"]
    assert (built["type"], built["clusterIP"]) == ("ClusterIP", "None")

    assert "clusterIP" not in service({"headService": {"spec": None}})["spec"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"name": "dashboard", "port": 8265, "nodePort": 30265},
            {"name": "dashboard", "port": 8265, "nodePort": 30265, "appProtocol": "tcp"},
        ),
        (
            {"name": "dashboard", "port": 80},
            {"name": "dashboard", "port": 80, "targetPort": 8265, "appProtocol": "tcp"},
        ),
        (
            {"name": "dashboard", "port": 80, "targetPort": "web", "appProtocol": "http"},
            {"name": "dashboard", "port": 80, "targetPort": "web", "appProtocol": "http"},
        ),
        ({"name": "web", "port": 8265}, {"name": "web", "port": 8265}),
        ({"name": "web", "port": 80, "protocol": None}, {"name": "web", "port": 80}),
    ],
)
def test_a_users_port_is_merged_with_ours(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """One of our names changes our port; one of our numbers replaces it. None exists twice."""
    built = ports({"headService": {"spec": {"ports": [given]}}})

    assert expected in built
    assert len({port["name"] for port in built}) == len({port["port"] for port in built}) == len(built)
    assert {"client", "gcs-server", "metrics", "serve"} <= {port["name"] for port in built}


def test_a_users_gcs_port_that_is_not_the_gcs_does_not_lock_workers_out() -> None:
    """The real port is listed beside it."""
    built = ports({"headService": {"spec": {"ports": [{"name": "gcs-server", "port": 1}]}}})

    assert {"name": "gcs-server", "port": 1, "targetPort": 6379, "appProtocol": "tcp"} in built
    assert {"name": "6379-port", "port": 6379, "appProtocol": "tcp"} in built
