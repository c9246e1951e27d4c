"""An administrator's settings for pods, and the demands of a namespace's LimitRange."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.manifests import head_pod, worker_pods
from rayfleet.kinds.raycluster.memory import MOST_LESSONS
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.pod_settings import PodSettings, WaitSize, least_wait
from support.builders import cluster as stored_cluster
from support.builders import group, head, snapshot, worker
from support.builders import spec as spec_fields
from support.manifest_samples import cluster, environment, ray, spec, template, worker_group
from support.passes import KEY, PODS, passes
from support.wire import fails

CPU = "minimum cpu usage per Container is 100m, but request is 50m"
MEMORY = "minimum memory usage per Container is 64Mi, but request is 32Mi"
REFUSAL = f'pods "demo-gpu-worker-x-1" is forbidden: [{CPU}, {MEMORY}]'


def body(settings: PodSettings | None = None, **fields: Any) -> dict[str, Any]:
    of = spec(worker=fields)
    return worker_pods(cluster(), of, worker_group(of), settings or PodSettings()).named(1)


def waiting(pod: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = pod["spec"]["initContainers"][-1]
    return container


def test_the_clusters_domain_is_in_every_name_of_the_head() -> None:
    """Also in the environment of the head's own init containers; the dot of the wait marks it as complete."""
    settings = PodSettings("corp.example")
    name = "demo-head-svc.team-a.svc.corp.example"
    pod = body(settings)
    variables = environment(ray(pod))
    assert (variables["FQ_RAY_IP"], variables["RAY_ADDRESS"]) == (name, f"{name}:6379")
    assert f"--address={name}:6379" in variables["KUBERAY_GEN_RAY_START_CMD"]
    assert waiting(pod)["command"][-2:] == [f"{name}.", "6379"]
    init = {"template": template(pod={"initContainers": [{"name": "own"}]})}
    of_head = head_pod(cluster(), spec(head=init), 1, settings).body
    assert environment(of_head["spec"]["initContainers"][0])["FQ_RAY_IP"] == name
    assert "cluster.local" not in str(pod) + str(of_head)


def test_without_a_domain_names_are_relative() -> None:
    """No dot marks them as complete."""
    pod = body(PodSettings(""))
    assert environment(ray(pod))["FQ_RAY_IP"] == "demo-head-svc.team-a.svc"
    assert waiting(pod)["command"][-2] == "demo-head-svc.team-a.svc"


def test_the_wait_container_can_be_omitted() -> None:
    """The user's own init containers stay."""
    settings = PodSettings(waits=False)
    assert "initContainers" not in body(settings)["spec"]
    own = {"template": template(pod={"initContainers": [{"name": "own"}]})}
    assert [c["name"] for c in body(settings, **own)["spec"]["initContainers"]] == ["own"]


def test_the_wait_container_has_the_configured_size() -> None:
    """The size is its request and its limit."""
    resources = waiting(body(PodSettings(wait=WaitSize("200m", "256Mi"))))["resources"]
    size = {"cpu": "200m", "memory": "256Mi"}
    assert resources == {"requests": size, "limits": size}


@pytest.mark.parametrize(
    ("refusal", "least"),
    [
        (REFUSAL, WaitSize("100m", "64Mi")),
        (f"pods is forbidden: [{MEMORY}, {CPU}]", WaitSize("100m", "64Mi")),
        (CPU, WaitSize("100m", "32Mi")),
        (CPU.replace("request is", "limit is").replace("100m", "0.5"), WaitSize("500m", "32Mi")),
        (MEMORY.replace("64Mi", "1G"), WaitSize("50m", "1000000000")),
    ],
)
def test_a_refusal_sets_the_size_of_the_wait_container(refusal: str, least: WaitSize) -> None:
    """It may name one resource or both, in either order."""
    assert least_wait(body(), refusal) == least


@pytest.mark.parametrize(
    "refusal",
    [
        "exceeded quota: q, requested: cpu=1, used: cpu=2, limited: cpu=2",
        CPU.replace("50m", "70m"),
        CPU.replace("100m", "5"),
        CPU.replace("100m", "1e900"),
        CPU.replace("100m", "9" * 200),
        MEMORY.replace("64Mi", "9Gi"),
        CPU.replace("100m", "20m"),
        CPU.replace("per Container", "per Pod"),
        "x" * 5000 + CPU,
    ],
)
def test_another_refusal_or_an_absurd_size_changes_nothing(refusal: str) -> None:
    """It may be about another container, another rule, or an absurd minimum."""
    assert least_wait(body(), refusal) is None


@pytest.mark.parametrize("odd", [{}, {"spec": 3}, {"spec": {"initContainers": [None, {"name": []}]}}])
def test_a_body_without_our_wait_container_is_not_changed(odd: dict[str, Any]) -> None:
    assert least_wait(odd, REFUSAL) is None


def wait_requests(pod: Any) -> Any:  # noqa: ANN401 - JSON as it was sent
    return waiting(pod)["resources"]["requests"]


async def test_workers_that_a_limit_range_refuses_are_created_with_its_minimum() -> None:
    """At once, without a reported failure; the next ones are correct from the start."""
    async with passes() as bed:
        bed.stored(spec_fields(group(replicas=1)))
        bed.head()
        bed.api.answers["POST", PODS] = fails(403, "Forbidden", REFUSAL)
        first = await bed.reconciler.reconcile(KEY)
        assert getattr(first, "requeue_after", None) == 0.0
        assert bed.api.bodies("POST", "/events") == []
        await bed.reconciler.reconcile(KEY)
        sent = [wait_requests(pod) for pod in bed.api.bodies("POST", "/pods")]
        assert sent == [{"cpu": "50m", "memory": "32Mi"}, {"cpu": "100m", "memory": "64Mi"}]


async def test_a_limit_range_that_always_asks_for_more_is_followed_only_a_few_times() -> None:
    """After a few times it is a refusal like any other: reported, and with a growing pause."""
    async with passes() as bed:
        bed.stored(spec_fields(group(replicas=1)))
        bed.head()
        for size in range(50, 1000, 50):
            words = f"minimum cpu usage per Container is {size + 50}m, but request is {size}m"
            bed.api.answers["POST", PODS] = fails(403, "Forbidden", words)
            done = await bed.reconciler.reconcile(KEY)
            if getattr(done, "requeue_after", None) != 0.0:
                break
        assert len(bed.api.bodies("POST", "/pods")) == MOST_LESSONS + 1
        (event,) = bed.api.bodies("POST", "/events")
        assert event["reason"] == "FailedToCreateWorkerPod"


def test_settings_change_no_pod_that_runs() -> None:
    """They only apply to pods that are created from now on."""
    of = stored_cluster(spec_fields(group(replicas=2)))
    pods = [head(of), *(worker(of, n, template_hash="of an earlier release") for n in (1, 2))]
    changed = PodSettings("corp.example", waits=False)
    assert plan(snapshot(of, pods, pod_settings=changed)).actions == ()
