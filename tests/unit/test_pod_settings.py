"""What an administrator sets for pods, and what a namespace's LimitRange asks of them."""

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


def test_the_clusters_domain_is_in_every_name_that_leads_to_the_head() -> None:
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


def test_without_a_domain_names_are_relative_to_that_of_the_pods() -> None:
    """And no dot says that they are complete."""
    pod = body(PodSettings(""))
    assert environment(ray(pod))["FQ_RAY_IP"] == "demo-head-svc.team-a.svc"
    assert waiting(pod)["command"][-2] == "demo-head-svc.team-a.svc"


def test_the_wait_can_be_left_out() -> None:
    """The user's own init containers stay."""
    settings = PodSettings(waits=False)
    assert "initContainers" not in body(settings)["spec"]
    own = {"template": template(pod={"initContainers": [{"name": "own"}]})}
    assert [c["name"] for c in body(settings, **own)["spec"]["initContainers"]] == ["own"]


def test_the_wait_has_the_size_that_is_set() -> None:
    """Requested, and at most."""
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
def test_a_refusal_says_how_large_the_wait_must_be(refusal: str, least: WaitSize) -> None:
    """In either order, and of one resource or both."""
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
def test_a_refusal_of_something_else_or_beyond_all_measure_changes_nothing(refusal: str) -> None:
    """Another container's size, another rule, or somebody's idea of a joke."""
    assert least_wait(body(), refusal) is None


@pytest.mark.parametrize("odd", [{}, {"spec": 3}, {"spec": {"initContainers": [None, {"name": []}]}}])
def test_a_body_without_a_wait_of_ours_has_nothing_to_be_made_larger(odd: dict[str, Any]) -> None:
    assert least_wait(odd, REFUSAL) is None


def wait_requests(pod: Any) -> Any:  # noqa: ANN401 - JSON as it was sent
    return waiting(pod)["resources"]["requests"]


async def test_workers_that_a_limit_range_refuses_are_made_with_what_it_asks_for() -> None:
    """At once, and without a word of trouble; the next ones are made right from the start."""
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
    """A few times, and then it is a refusal like any other: reported, and with a pause that grows."""
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
    """Nor does their plan: only what is made from now on is made by them."""
    of = stored_cluster(spec_fields(group(replicas=2)))
    pods = [head(of), *(worker(of, n, template_hash="of an earlier release") for n in (1, 2))]
    changed = PodSettings("corp.example", waits=False)
    assert plan(snapshot(of, pods, pod_settings=changed)).actions == ()
