"""RayJobs from the first line to the last: real Ray, a real kubelet."""

import pytest

from support.installation import Installation
from support.live_job import LiveJob, cluster
from support.waiting import eventually

pytestmark = pytest.mark.timeout(400)  # The first test also brings up the nodes.

WORDS = 'it\'s "$HOME" `id` && !'
ON_A_GPU = """
import ray
ray.init()
@ray.remote(num_gpus=1)
def where():
    return ray.util.get_node_ip_address()
print("a GPU at", ray.get(where.remote()))
"""


@pytest.fixture(scope="module")
def jobs(installation: Installation) -> dict[str, LiveJob]:
    """All jobs of this file, started side by side."""
    made = {name: LiveJob(installation, name) for name in ("says", "fails", "brings-gpus", "loses-its-head")}
    given = {"shutdownAfterJobFinishes": True}
    quoted = WORDS.replace("'", "'\\''")
    made["says"].apply(entrypoint=f"echo '{quoted}'", rayClusterSpec=cluster(), **given)
    made["fails"].apply(
        entrypoint="python -c 'import sys; print(1); sys.exit(3)'",
        submissionMode="HTTPMode",
        rayClusterSpec=cluster(),
        **given,
    )
    made["brings-gpus"].apply(
        entrypoint=f"python -c '{ON_A_GPU}'",
        submissionMode="HTTPMode",
        rayClusterSpec=cluster(elastic=True),
        **given,
    )
    made["loses-its-head"].apply(
        entrypoint="sleep 600", submissionMode="HTTPMode", rayClusterSpec=cluster(), **given
    )
    return made


def test_a_job_in_the_default_mode_reaches_ray_unparsed_and_gives_everything_back(
    jobs: dict[str, LiveJob],
) -> None:
    """Its submitter's log is the job's log, and stays for `kubectl logs`."""
    job = jobs["says"]
    status = job.await_state("Complete")
    assert (status["jobStatus"], status["succeeded"], status["failed"]) == ("SUCCEEDED", 1, 0)
    eventually("all pods of its cluster to be gone", lambda: not job.pods(), seconds=60)
    log = job.installation.kubectl("logs", f"--namespace={job.name}", f"job/{job.name}")
    assert WORDS in log


def test_a_job_that_fails_says_whose_fault_it_was(jobs: dict[str, LiveJob]) -> None:
    job = jobs["fails"]
    status = job.await_state("Failed")
    assert (status["jobStatus"], status["reason"]) == ("FAILED", "AppFailed")
    assert (status["verdict"]["category"], status["verdict"]["cause"]) == ("application", "DriverExited")
    assert "the driver's exit code is 3" in status["verdict"]["evidence"]
    eventually("all pods of its cluster to be gone", lambda: not job.pods(), seconds=60)


def test_a_job_brings_its_gpu_workers_and_leaves_none(jobs: dict[str, LiveJob]) -> None:
    """It starts with the head alone: its own demand brings the worker."""
    job = jobs["brings-gpus"]
    status = job.await_state("Complete")
    assert status["jobStatus"] == "SUCCEEDED"
    eventually("all pods of its cluster to be gone", lambda: not job.pods(), seconds=60)


def test_a_lost_head_ends_the_attempt_with_that_cause(jobs: dict[str, LiveJob]) -> None:
    job = jobs["loses-its-head"]
    job.await_job_status("RUNNING")
    (head,) = job.pods("ray.io/node-type=head")
    job.installation.api.namespace(job.name).delete_pod(head["metadata"]["name"])
    status = job.await_state("Failed", seconds=20)
    assert (status["verdict"]["category"], status["verdict"]["cause"]) == ("infrastructure", "HeadLost")
    eventually("all pods of its cluster to be gone", lambda: not job.pods(), seconds=60)
