"""Our pods on a real API server: a namespace's LimitRange, and unknown fields."""

from typing import Any

import pytest

from support.builders import group, raycluster, spec, template
from support.cluster_api import Namespace
from support.waiting import eventually

pytestmark = pytest.mark.usefixtures("operator")

SMALLEST = {"cpu": "100m", "memory": "64Mi"}


def sized() -> dict[str, Any]:
    return template(cpu="1", memory="2Gi")


def test_workers_pass_a_limit_range_that_is_larger_than_their_wait_container(namespace: Namespace) -> None:
    """Its refusal is enough: no setting is needed, and no failure is reported."""
    limits = {"limits": [{"type": "Container", "min": SMALLEST}]}
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "least"}, "spec": limits}
    namespace.create("limitranges", body)
    head = {"template": sized()}
    fields = spec(group(replicas=3, template=sized()), headGroupSpec=head)
    namespace.apply(raycluster(spec_fields=fields))
    eventually("all pods", lambda: len(namespace.living_pods()) == 4, seconds=10)
    for pod in namespace.living_pods("ray.io/node-type=worker"):
        assert pod["spec"]["initContainers"][0]["resources"]["requests"] == SMALLEST
    assert not namespace.events("FailedToCreateWorkerPod")


def test_a_misspelt_field_of_a_template_is_named_until_it_is_fixed(namespace: Namespace) -> None:
    """Its path names it; the pods are created without it."""
    misspelt = template()
    misspelt["spec"]["nodeSelectors"] = {"gpu": "yes"}
    namespace.apply(raycluster(spec_fields=spec(group(replicas=1, template=misspelt))))
    path = "spec.workerGroupSpecs[0].template.spec.nodeSelectors"
    eventually("the status to name the field", lambda: path in str(namespace.condition("demo", "Supported")))
    assert namespace.status("demo")["unknownFields"] == [path]
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=1)]})
    eventually("the status to drop the field", lambda: "unknownFields" not in namespace.status("demo"))


def test_a_group_at_fault_does_not_stop_the_others(namespace: Namespace) -> None:
    """Its amounts are named, and the rest of the cluster is created."""
    odd = group("odd", replicas=2, resources={"NPU": "many"})
    namespace.apply(raycluster(spec_fields=spec(odd, group("fine", replicas=2))))
    eventually("head and group", lambda: len(namespace.living_pods()) == 3)
    words = eventually(
        "the fault to be named",
        lambda: (
            c["message"] if (c := namespace.condition("demo", "Valid")).get("status") == "False" else None
        ),
    )
    assert "spec.workerGroupSpecs[0].resources[NPU]" in words
