"""Bad input: named by field on the object, nothing that runs is touched, and it recovers when fixed."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.builders import group, raycluster, spec, template
from support.cluster_api import ApiError, Namespace
from support.operator_process import OperatorProcess
from support.waiting import eventually, throughout

BROKEN = {"workerGroupSpecs": [group(replicas=5, minReplicas=4, maxReplicas=2)]}


def uids(namespace: Namespace) -> set[str]:
    return {pod["metadata"]["uid"] for pod in namespace.pods()}


def is_ready(namespace: Namespace) -> bool:
    return bool(namespace.condition("demo", "Ready").get("status") == "True")


def group_size(namespace: Namespace, name: str = "gpu") -> int:
    return len(namespace.living_pods(f"ray.io/group={name}"))


def valid(namespace: Namespace, name: str = "demo") -> dict[str, Any]:
    return namespace.condition(name, "Valid")


def group_status(namespace: Namespace, name: str) -> dict[str, Any]:
    return next((one for one in namespace.status("demo")["workerGroups"] if one["groupName"] == name), {})


def refused_creates(operator: OperatorProcess) -> float:
    """The number of pod creates that the API server has denied, as the operator counts them."""
    families = text_string_to_metric_families(operator.metrics())
    samples = (sample for family in families for sample in family.samples)
    return sum(
        sample.value
        for sample in samples
        if sample.name == "rayfleet_api_requests_total"
        and (sample.labels["verb"], sample.labels["code"]) == ("create", "403")
    )


def started(namespace: Namespace, replicas: int = 2) -> set[str]:
    namespace.apply(raycluster(spec_fields=spec(group(replicas=replicas))))
    eventually("all pods", lambda: len(namespace.living_pods()) == replicas + 1)
    namespace.make_ready()
    eventually(
        "the cluster to be ready", lambda: namespace.condition("demo", "Ready").get("status") == "True"
    )
    return uids(namespace)


def test_a_spec_that_breaks_a_rule_is_named_and_leaves_what_runs_alone(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """With one event; a worker that dies meanwhile is still replaced, and once fixed the spec is acted on."""
    before = started(namespace)
    namespace.patch("demo", BROKEN)
    condition = eventually("Valid=False", lambda: c if (c := valid(namespace))["status"] == "False" else None)
    assert "spec.workerGroupSpecs[0].minReplicas" in condition["message"]
    throughout("no pod is touched", lambda: uids(namespace) == before, seconds=1)
    worker = namespace.pods("ray.io/group=gpu")[0]["metadata"]["name"]
    namespace.delete_pod(worker)
    eventually(
        "the lost worker to be replaced by the last valid spec", lambda: len(namespace.living_pods()) == 3
    )
    assert len(namespace.events("InvalidRayClusterSpec")) == 1
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=3)]})
    eventually("the fixed spec to be acted on", lambda: len(namespace.living_pods()) == 4)
    eventually("Valid=True", lambda: valid(namespace)["status"] == "True")
    assert operator.runs


def test_after_a_restart_an_invalid_spec_is_left_alone_until_it_is_fixed(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The last valid spec is no longer known, so nothing is created or deleted."""
    started(namespace)
    namespace.patch("demo", BROKEN)
    eventually("Valid=False", lambda: valid(namespace)["status"] == "False")
    operator.stop()
    namespace.delete_pod(namespace.pods("ray.io/group=gpu")[0]["metadata"]["name"])
    operator.start()
    throughout("nothing is created", lambda: len(namespace.living_pods()) == 2, seconds=2)
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=2)]})
    eventually("the fixed spec to be acted on", lambda: len(namespace.living_pods()) == 3)


def test_a_template_that_the_api_server_refuses_is_shown_with_its_message(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The other group and the head are made, and the group itself once its template is fixed."""
    bad = template()
    bad["spec"]["containers"][0]["image"] = ""
    groups = [group("bad", replicas=1, template=bad), group("good", replicas=1)]
    namespace.apply(raycluster(spec_fields=spec(*groups)))
    condition = eventually(
        "Valid=False", lambda: c if (c := valid(namespace)).get("status") == "False" else None
    )
    assert condition["message"].startswith("spec.workerGroupSpecs[0].template: spec.containers[0].image")
    eventually("the other group's pod", lambda: group_size(namespace, "good") == 1)
    eventually("one event", lambda: len(namespace.events("InvalidRayClusterSpec")) == 1)
    namespace.patch("demo", {"workerGroupSpecs": [group("bad", replicas=1), groups[1]]})
    eventually("the fixed group's pod", lambda: group_size(namespace, "bad") == 1)
    eventually("Valid=True", lambda: valid(namespace)["status"] == "True")
    assert operator.runs


def test_workers_of_a_broken_template_are_recreated_from_the_earlier_one(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The fault shows once a worker must be replaced."""
    started(namespace)
    bad = template()
    bad["spec"]["containers"][0]["image"] = ""
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=2, template=bad)]})
    namespace.delete_pod(namespace.pods("ray.io/group=gpu")[0]["metadata"]["name"])
    eventually("Valid=False", lambda: valid(namespace)["status"] == "False")
    eventually("a worker of the earlier template", lambda: group_size(namespace, "gpu") == 2)
    assert operator.runs


def test_a_quota_holds_one_group_with_a_message_and_lets_the_other_go(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """Once there is room, the group is created."""
    hard = {"requests.cpu": "10"}
    quota = {"metadata": {"name": "cpu"}, "spec": {"hard": hard}}
    namespace.create("resourcequotas", quota)
    eventually("the quota to be counted", lambda: namespace.quota("cpu").get("status", {}).get("hard"))
    small, large = template(cpu="1"), template(cpu="20")
    groups = [group("large", replicas=1, template=large), group("small", replicas=1, template=small)]
    head = {"headGroupSpec": {"template": small}}
    namespace.apply(raycluster(spec_fields=spec(*groups) | head))
    eventually("the small group's pod", lambda: group_size(namespace, "small") == 1)
    failure = eventually("ReplicaFailure", lambda: namespace.condition("demo", "ReplicaFailure"))
    assert "exceeded quota" in failure["message"]
    assert valid(namespace)["status"] == "True"
    held = eventually(
        "the group's status to say so",
        lambda: g if "reason" in (g := group_status(namespace, "large")) else None,
    )
    assert (held["reason"], held["message"] in failure["message"]) == ("QuotaExceeded", True)
    assert "reason" not in group_status(namespace, "small")
    eventually("three refusals", lambda: refused_creates(operator) >= 3, seconds=15)
    assert group_status(namespace, "large") == held, "the time of the first refusal"
    namespace.set_quota("cpu", {"requests.cpu": "100"})
    eventually("the large group's pod", lambda: group_size(namespace, "large") == 1, seconds=40)
    eventually("nothing to say", lambda: "reason" not in group_status(namespace, "large"), seconds=15)
    assert operator.runs


def test_a_spec_that_is_fixed_after_refusals_does_not_wait_for_their_backoff(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """The refusals were about another spec."""
    quota = {"metadata": {"name": "cpu"}, "spec": {"hard": {"requests.cpu": "10"}}}
    namespace.create("resourcequotas", quota)
    eventually("the quota to be counted", lambda: namespace.quota("cpu").get("status", {}).get("hard"))
    small, large = template(cpu="1"), template(cpu="20")
    head = {"headGroupSpec": {"template": small}}
    namespace.apply(raycluster(spec_fields=spec(group(replicas=1, template=large)) | head))
    # The third refusal in a row: the group is left alone for four seconds from now.
    eventually("three refusals", lambda: refused_creates(operator) >= 3, seconds=15)
    namespace.patch("demo", {"workerGroupSpecs": [group(replicas=1, template=small)]})
    eventually("the worker", lambda: group_size(namespace) == 1, seconds=2)
    eventually("no ReplicaFailure", lambda: not namespace.condition("demo", "ReplicaFailure"))


def test_a_service_name_that_is_taken_is_reported_and_used_once_it_is_free(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """Somebody else's Service is not touched."""
    theirs = {"metadata": {"name": "demo-head-svc"}, "spec": {"ports": [{"port": 80}]}}
    uid = namespace.create("services", theirs)["metadata"]["uid"]
    namespace.apply(raycluster())
    failure = eventually("ReplicaFailure", lambda: namespace.condition("demo", "ReplicaFailure"))
    assert "Service demo-head-svc exists and is not this cluster's" in failure["message"]
    assert [service["metadata"]["uid"] for service in namespace.services()] == [uid]
    assert len(namespace.events("FailedToCreateService")) == 1
    namespace.api.call("DELETE", f"/api/v1/namespaces/{namespace.name}/services/demo-head-svc")
    eventually("all pods", lambda: len(namespace.living_pods()) == 4, seconds=30)
    assert operator.runs


ODD = [
    pytest.param({"annotations": {"big": "x" * 200_000}}, id="a 200 kB annotation"),
    pytest.param({"labels": {"ray.io/cluster": "another"}}, id="labels like a pod's"),
]


@pytest.mark.parametrize("metadata", ODD)
def test_an_odd_object_does_not_stop_the_others(
    metadata: dict[str, Any], namespace: Namespace, operator: OperatorProcess
) -> None:
    """The odd object itself gets its pods too."""
    odd = raycluster("odd")
    namespace.apply({**odd, "metadata": {**odd["metadata"], **metadata}})
    namespace.apply(raycluster("plain"))
    eventually("the pods of both", lambda: len(namespace.living_pods()) == 8)
    assert operator.runs


def test_an_object_of_over_a_megabyte_does_not_stop_the_others(
    namespace: Namespace, operator: OperatorProcess
) -> None:
    """Its template is too large for a pod; the cluster beside it is created at once."""
    huge = template()
    huge["spec"]["containers"][0]["env"] = [{"name": f"V{n}", "value": "x" * 1000} for n in range(1350)]
    namespace.apply(raycluster("huge", spec_fields=spec(group(replicas=1, template=huge))))
    namespace.apply(raycluster("plain"))
    eventually("the plain cluster's pods", lambda: len(namespace.living_pods("ray.io/cluster=plain")) == 4)
    eventually(
        "a message about the huge one", lambda: namespace.cluster("huge").get("status", {}).get("conditions")
    )
    assert operator.runs


def test_a_status_of_an_odd_shape_is_repaired(namespace: Namespace, operator: OperatorProcess) -> None:
    """Another version, or a user, has written it."""
    operator.stop()
    namespace.apply(raycluster())
    odd = {"conditions": [], "head": {}, "endpoints": {"x": "1"}, "headEpoch": 7, "somebodys": {"a": 1}}
    namespace.set_cluster_status("demo", odd)
    operator.start()
    eventually("all pods", lambda: len(namespace.living_pods()) == 4)
    status = eventually("a status", lambda: s if (s := namespace.status("demo")).get("conditions") else None)
    assert status["headEpoch"] == 7


def test_a_wrong_type_is_refused_at_once_with_its_path(namespace: Namespace) -> None:
    """The API server itself refuses it."""
    with pytest.raises(ApiError, match=r"spec\.workerGroupSpecs\[0\]\.replicas"):
        namespace.apply(raycluster(spec_fields=spec(group(replicas="three"))))  # type: ignore[arg-type]  # on purpose
