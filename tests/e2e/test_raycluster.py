"""RayClusters on a real kubelet with real Ray, from apply to delete."""

import re
from pathlib import Path

import pytest

from demo import containers
from demo.pods import gpus
from support.live_cluster import LiveCluster, container_id, ip, ray_container, uid
from support.waiting import eventually

pytestmark = pytest.mark.timeout(300)  # The first test also brings up the nodes and the clusters.

JOB = Path(__file__).parents[2] / "examples" / "sum_primes.py"


def test_the_examples_workers_are_ready_on_gpu_nodes_with_a_gpu_each(sample: LiveCluster) -> None:
    """No two of them get the same GPU of the same node; the head has none."""
    offered = gpus(sample.installation.kubectl)
    workers = sample.workers()
    assert len(workers) == 3
    assert all(offered[worker["spec"]["nodeName"]] > 0 for worker in workers)
    devices = {
        (pod["spec"]["nodeName"], sample.in_pod(pod, "printenv", "NVIDIA_VISIBLE_DEVICES").strip())
        for pod in workers
    }
    assert len(devices) == 3
    assert all(device.startswith("gpu-") for _, device in devices)
    assert "nvidia.com/gpu" not in str(sample.head()["spec"])


def test_ray_status_in_the_head_shows_the_workers_and_their_gpus(sample: LiveCluster) -> None:
    """Three GPUs in all, and a node for each pod, by the name of its group."""
    sample.await_ray()

    def status() -> str | None:
        said = sample.in_head("ray", "status")
        assert "0.0/3.0 GPU" in said, said
        return said

    said = eventually("`ray status` to count three GPUs", status, seconds=60, why=sample.installation.why)
    nodes = said.partition("Active:")[2].partition("Pending:")[0]
    assert sorted(re.findall(r"\d+ \w+", nodes)) == ["1 headgroup", "3 gpu"], said
    assert sorted(sample.ray_nodes().values()) == [0.0, 1.0, 1.0, 1.0]


def test_a_submitted_job_succeeds(sample: LiveCluster) -> None:
    """The example's job, by `ray job submit` in the head."""
    sample.await_ray()
    sample.in_head("sh", "-c", "mkdir -p /tmp/job && cat > /tmp/job/sum_primes.py", given=JOB.read_text())
    submit = ("ray", "job", "submit", "--submission-id=primes", "--working-dir=/tmp/job")
    said = sample.in_head(*submit, "--", "python", "sum_primes.py", "--limit=300000")
    assert "The sums are equal." in said
    assert sample.dashboard("api/jobs/primes")["status"] == "SUCCEEDED"


def test_a_worker_whose_container_was_killed_is_replaced(quick: LiveCluster) -> None:
    """With restartPolicy Never only the operator replaces it: by a new pod, which joins Ray."""
    victim, other = quick.workers()
    assert victim["spec"]["restartPolicy"] == "Never"
    containers.kill(container_id(victim))

    def replaced() -> bool:
        assert uid(victim) not in {uid(pod) for pod in quick.namespace.pods()}, (
            "the killed one is still there"
        )
        return quick.whole() is not None

    eventually("another pod in its place", replaced, seconds=60, why=quick.installation.why)
    quick.await_ray()
    new = [pod for pod in quick.workers() if uid(pod) != uid(other)]
    assert len(new) == 1
    assert quick.ray_nodes()[ip(new[0])] == 1.0


@pytest.mark.extended
def test_a_head_whose_container_was_killed_is_replaced_under_the_next_epoch(quick: LiveCluster) -> None:
    """Ray then serves again, with all its workers."""
    before = quick.head()
    epoch = int(before["metadata"]["annotations"]["rayfleet.io/head-epoch"])
    containers.kill(container_id(before))

    def replaced() -> bool:
        assert uid(quick.head()) != uid(before), "the killed one is still there"
        return True

    eventually("another head", replaced, seconds=60, why=quick.installation.why)
    after = quick.head()["metadata"]
    assert int(after["annotations"]["rayfleet.io/head-epoch"]) == epoch + 1
    assert after["name"] != before["metadata"]["name"]

    def serves() -> bool:
        quick.whole()
        seen = quick.ray_nodes()
        assert sorted(seen.values()) == [0.0, 1.0, 1.0], f"Ray sees {seen}"
        return True

    eventually("Ray to have its workers again", serves, seconds=150, why=quick.installation.why)
    quick.await_ray()


@pytest.mark.extended
def test_a_group_that_is_removed_goes_and_the_rest_stays(quick: LiveCluster) -> None:
    """Its pods end, and Ray no longer counts them."""
    kept = {uid(pod) for pod in quick.namespace.pods()}
    first = quick.stored()["spec"]["workerGroupSpecs"][0]
    second = {**first, "groupName": "more", "replicas": 1}
    quick.namespace.patch(quick.name, {"workerGroupSpecs": [first, second]})
    eventually("the second group", lambda: len(quick.workers()) == 3, why=quick.installation.why)
    quick.await_whole()
    quick.namespace.patch(quick.name, {"workerGroupSpecs": [first]})
    eventually("the group's pod to go", lambda: len(quick.workers()) == 2, seconds=60)
    assert {uid(pod) for pod in quick.namespace.pods()} == kept
    quick.await_ray()


def test_deleting_a_cluster_leaves_nothing(quick: LiveCluster) -> None:
    """No pod and no Service, and none comes back."""
    assert {ray_container(pod) for pod in quick.namespace.pods()} == {"ray-head", "ray-worker"}
    quick.installation.kubectl("delete", "raycluster", quick.name, f"--namespace={quick.name}")

    def nothing() -> bool:
        left = [*quick.namespace.clusters(), *quick.namespace.pods(""), *quick.namespace.services()]
        names = [f"{item.get('kind', '')} {item['metadata']['name']}" for item in left]
        assert not left, f"left: {', '.join(names)}"
        return True

    eventually("nothing of it to be left", nothing, seconds=60, why=quick.installation.why)
