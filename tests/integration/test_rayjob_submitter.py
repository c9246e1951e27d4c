"""A submitter in trouble: its real commands against a stand-in for the dashboard, and Ray's own client."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from rayfleet.kinds.rayjob import submitter_program
from rayfleet.kinds.rayjob.manifests import script
from support.submitter_scene import StandInDashboard, stand_in_dashboard, submission, submitter


async def ended(dashboard: StandInDashboard, of: dict[str, Any], folder: Path, **how: Any) -> tuple[int, str]:
    async with submitter(of, dashboard.address, folder=folder, **how) as started:
        return await started.ends()


@pytest.mark.parametrize("result", ["SUCCEEDED", "FAILED", "STOPPED"])
async def test_it_ends_well_however_the_job_ends(result: str, tmp_path: Path) -> None:
    """A failed Kubernetes Job means that the submission failed; the job's own result is Ray's to tell."""
    async with stand_in_dashboard() as dashboard:
        dashboard.status = result
        code, output = await ended(dashboard, submission(), tmp_path)
        assert code == 0
        assert f"Job train-x7k2p: {result}. as told" in output


@pytest.mark.parametrize(
    ("answer", "submissions"),
    [
        pytest.param((500, "No available agent to submit job, please try again later."), 2, id="no agent"),
        pytest.param((0, ""), 1, id="taken, but the answer is lost"),
    ],
)
async def test_a_submission_is_repeated_only_if_ray_has_not_taken_it(
    answer: tuple[int, str], submissions: int, tmp_path: Path
) -> None:
    async with stand_in_dashboard() as dashboard:
        dashboard.answers = [answer]
        code, _ = await ended(dashboard, submission(), tmp_path)
        assert code == 0
        assert len(dashboard.submitted) == submissions


async def test_an_id_that_is_taken_means_that_the_job_was_submitted(tmp_path: Path) -> None:
    """Another submitter may have been faster. Here Ray does not know the job after all, so it is lost."""
    async with stand_in_dashboard() as dashboard:
        dashboard.answers = [(500, "it exists. Please use a different submission_id.")]
        code, _ = await ended(dashboard, submission(), tmp_path)
        assert code == script.LOST
        assert len(dashboard.submitted) == 1


async def test_a_job_that_ray_has_forgotten_is_not_submitted_to_the_next_head(tmp_path: Path) -> None:
    """What follows from the loss of a head is for the operator to decide."""
    async with stand_in_dashboard() as dashboard:
        dashboard.status = "RUNNING"
        async with submitter(submission(), dashboard.address, folder=tmp_path) as started:
            await started.sees(lambda: dashboard.jobs and dashboard.asked > 1)
            dashboard.jobs.clear()
            code, output = await started.ends()
        assert code == script.LOST
        assert "Ray does not know job train-x7k2p any more" in output
        assert len(dashboard.submitted) == 1


async def test_a_submission_that_ray_refuses_is_final(tmp_path: Path) -> None:
    async with stand_in_dashboard() as dashboard:
        dashboard.answers = [(400, "TypeError: entrypoint_num_cpus")]
        code, output = await ended(dashboard, submission(), tmp_path)
        assert code == script.REFUSED
        assert "Ray refuses the job: TypeError: entrypoint_num_cpus" in output
        assert len(dashboard.submitted) == 1


async def test_a_dashboard_that_does_not_take_the_job_ends_it_after_a_while(tmp_path: Path) -> None:
    async with stand_in_dashboard() as dashboard:
        dashboard.answers = [(503, "later")] * 9
        code, output = await ended(dashboard, submission(), tmp_path, variables={"RAYFLEET_PATIENCE": "1"})
        assert code == submitter_program.NO_ANSWER
        assert "Ray did not take the job (503): later" in output


async def test_it_waits_until_the_cluster_is_up(tmp_path: Path) -> None:
    async with stand_in_dashboard() as dashboard:
        dashboard.healthy = False
        async with submitter(submission(), dashboard.address, folder=tmp_path) as started:
            with pytest.raises(TimeoutError):
                await started.sees(lambda: dashboard.asked, 1)
            dashboard.healthy = True
            assert (await started.ends())[0] == 0


async def test_it_ends_at_once_when_its_pod_is_deleted(tmp_path: Path) -> None:
    """The first process of a container would ignore the signal otherwise, and keep the pod for 30 s."""
    async with stand_in_dashboard() as dashboard:
        dashboard.status = "RUNNING"
        async with submitter(submission(), dashboard.address, folder=tmp_path) as started:
            await started.sees(lambda: dashboard.asked > 1)
            started.process.send_signal(signal.SIGTERM)
            assert (await started.ends(5))[0] == submitter_program.TERMINATED


async def test_logs_are_shown_once_although_the_stream_is_cut(tmp_path: Path) -> None:
    """Ray sends them from the beginning each time."""
    async with stand_in_dashboard() as dashboard:
        dashboard.status = "RUNNING"
        dashboard.logs = [["one\n", "two\n"], ["one\ntwo\nthr", "ee\n", "four\n"]]
        async with submitter(submission(), dashboard.address, folder=tmp_path, with_ray=True) as started:
            await started.sees(lambda: dashboard.asked_for_logs > 1)
            dashboard.jobs["train-x7k2p"]["status"] = "SUCCEEDED"
            code, output = await started.ends()
        assert code == 0
        shown = [line for line in output.splitlines() if line in {"one", "two", "three", "four"}]
        assert shown == ["one", "two", "three", "four"]
        assert "Job train-x7k2p: SUCCEEDED" in output


async def test_a_stream_that_never_ends_holds_nobody_up(tmp_path: Path) -> None:
    """A lost node closes no connection."""
    async with stand_in_dashboard() as dashboard:
        dashboard.status = "RUNNING"
        dashboard.streams_end = False
        async with submitter(submission(), dashboard.address, folder=tmp_path, with_ray=True) as started:
            await started.sees(lambda: dashboard.asked_for_logs)
            dashboard.jobs["train-x7k2p"]["status"] = "SUCCEEDED"
            assert (await started.ends(40))[0] == 0


async def test_a_local_folder_is_uploaded_by_rays_own_client(tmp_path: Path) -> None:
    """So a job whose files are in the submitter's image works, and its entrypoint is still one text."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("print(1)\n")
    given = submission("python main.py --a='$HOME'", runtime_env={"working_dir": str(tmp_path / "code")})
    async with stand_in_dashboard() as dashboard:
        code, _ = await ended(dashboard, given, tmp_path, with_ray=True)
        (sent,) = dashboard.submitted
        assert code == 0
        assert sent["entrypoint"] == given["entrypoint"]
        assert sent["runtime_env"]["working_dir"].startswith("gcs://")


async def test_without_ray_a_local_folder_is_refused(tmp_path: Path) -> None:
    given = submission(runtime_env={"working_dir": str(tmp_path)})
    async with stand_in_dashboard() as dashboard:
        code, output = await ended(dashboard, given, tmp_path)
        assert code == script.REFUSED
        assert "runtimeEnvYAML names a local path: use a URI" in output


async def test_a_dashboard_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    """There is no limit: how long a job may take until it runs is for its own deadlines."""
    async with submitter(submission(), "127.0.0.1:9", folder=tmp_path) as started:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(started.process.wait(), 1)
