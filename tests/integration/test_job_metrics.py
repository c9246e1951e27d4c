"""A real Prometheus follows a job."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.builders import group, spec, template
from support.cluster_api import Namespace
from support.faults.loop_thread import LoopThread
from support.job_scene import JobScene
from support.operator_process import OperatorProcess
from support.prometheus import Prometheus, prometheus, promtool_complaints
from support.waiting import eventually


@pytest.fixture
def job(namespace: Namespace) -> Iterator[JobScene]:
    """A job whose dashboard is pretended; it does not exist yet."""
    loop = LoopThread("pretended Ray")
    loop.start()
    made = JobScene(namespace, "train", loop)
    yield made
    made.close()
    loop.stop()


@pytest.fixture
def scraper(job_operator: OperatorProcess, tmp_path: Path) -> Iterator[Prometheus]:
    with prometheus(tmp_path, "rayfleet", {"leader": job_operator.metrics_port}) as running:
        yield running


def test_a_job_shows_where_it_stands_and_what_it_keeps_until_it_is_deleted(
    namespace: Namespace, job_operator: OperatorProcess, scraper: Prometheus, job: JobScene
) -> None:
    """It waits for its cluster, runs, succeeds, and nothing deletes its cluster, which has a GPU."""
    place = f'namespace="{namespace.name}",name="train"'

    def labels(metric: str, label: str) -> list[str]:
        return [found[label] for found, _ in scraper.query(f"{metric}{{{place}}}")]

    def state() -> list[str]:
        return labels("kuberay_job_deployment_status", "deployment_status")

    cluster = spec(group("gpu", 1, template=template(gpu="1")))
    job.apply({"entrypoint": "python train.py", "submissionMode": "HTTPMode", "rayClusterSpec": cluster})
    eventually("it to wait", lambda: state() == ["Initializing"], why=state)
    waiting = "rayfleet_job_waiting_seconds"
    eventually("its reason", lambda: labels(waiting, "cluster") == [job.status["rayClusterName"]])
    job_id = job.await_job()
    job.dashboard.run(job_id)
    eventually("it to run", lambda: state() == ["Running"] and not labels(waiting, "reason"), why=state)
    job.dashboard.finish(job_id)
    held = "rayfleet_job_gpus_held"
    eventually("its GPU to be held", lambda: labels(held, "reason") == ["NoRule"], why=state)
    assert state() == ["Complete"]
    assert scraper.value(f"{held}{{{place}}}") == 1
    cost = f"rayfleet_job_held_gpu_seconds{{{place}}}"
    eventually("its cost to grow", lambda: (scraper.value(cost) or 0) >= 2)
    took = "kuberay_job_execution_duration_seconds"
    assert labels(took, "job_deployment_status") == ["Complete"]
    assert labels(took, "retry_count") == ["0"]
    succeeded = 'sum(rayfleet_job_attempts_total{result="succeeded",category="None",cause="None"})'
    assert scraper.value(succeeded) == 1
    for phase in ("submit", "record", "total"):
        assert scraper.value(f'sum(rayfleet_job_phase_seconds_count{{phase="{phase}"}})') == 1
    asked = 'sum(rayfleet_dashboard_requests_total{method="SubmitJob",outcome="ok"})'
    assert scraper.value(asked) == 1
    assert promtool_complaints(job_operator.metrics()) == ""
    job.delete()
    eventually("no series of it", lambda: not scraper.query(f"{{{place}}}"))
