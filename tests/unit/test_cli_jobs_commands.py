"""`submit` with a directory, `logs`, `stop` and `jobs`: real port-forwards, prepared objects."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfleet.cli.jobs import follower, stopping
from rayfleet.cli.main import main
from support.job_terminal import (
    CLUSTER,
    CLUSTER_PATH,
    JOB,
    JOB_ID,
    JOB_PATH,
    JOBS_PATH,
    JobTerminal,
    stored_job,
)

ALL_JOBS = "/apis/ray.io/v1/rayjobs"


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobTerminal]:
    monkeypatch.setattr(follower, "LIVELY_SECONDS", 0.05)
    monkeypatch.setattr(follower, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(stopping, "_BETWEEN_SECONDS", 0.05)
    made = JobTerminal(tmp_path)
    yield made
    made.close()


def run(terminal: JobTerminal, command: str, *words: str) -> int:
    return main([command, f"--kubeconfig={terminal.kubeconfig}", *words])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A program, and what is not to be sent with it."""
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "train.pyc").write_text("x")
    (folder / "train.py").write_text("print(1)")
    return folder


def submit_directory(terminal: JobTerminal, directory: Path, *options: str) -> int:
    terminal.api.answers[f"POST {JOBS_PATH}"] = 201, stored_job(submissionMode="InteractiveMode")
    terminal.put_job("Waiting", jobId="")
    _status, job = terminal.api.answers[JOB_PATH]
    assert isinstance(job, dict)
    job["spec"] |= {"submissionMode": "InteractiveMode", "runtimeEnvYAML": "{working_dir: gcs://x.zip}"}
    terminal.api.answers[f"PATCH {JOB_PATH}"] = 200, {}
    words = ("--", "python", "train.py")
    return run(terminal, "submit", "--working-dir", str(directory), *options, *words)


def written(terminal: JobTerminal, method: str) -> dict[str, Any]:
    """The body of the only request of a method."""
    (body,) = [body for how, _, body in terminal.api.written if how == method]
    assert isinstance(body, dict)
    return body


def test_a_directory_is_sent_to_the_head_and_then_the_job(terminal: JobTerminal, directory: Path) -> None:
    """The job goes to Ray before the RayJob says its name: the operator would wait for it without an end."""

    def end(method: str) -> None:
        if method == "PATCH":
            terminal.end(job_id=terminal.dashboard.submissions[0]["submission_id"])

    terminal.api.on_write = end
    assert submit_directory(terminal, directory) == 0
    ((name, content),) = terminal.dashboard.packages.items()
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["train.py"]
    spec = written(terminal, "POST")["spec"]
    assert spec["runtimeEnvYAML"] == f"working_dir: gcs://{name}\n"
    assert spec["submissionMode"] == "InteractiveMode"
    assert spec["preRunningDeadlineSeconds"] == 3600
    assert "jobId" not in spec
    (sent,) = terminal.dashboard.submissions
    assert sent["runtime_env"] == {"working_dir": "gcs://x.zip"}  # As the API server stored it.
    assert written(terminal, "PATCH") == {
        "metadata": {"uid": f"uid-of-{JOB}"},
        "spec": {"jobId": sent["submission_id"]},
    }


def test_a_job_that_ray_refuses_is_deleted_again(
    terminal: JobTerminal, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cluster would wait for an hour."""
    terminal.put_cluster(authOptions={"mode": "token"})
    assert submit_directory(terminal, directory) == 1
    said = capsys.readouterr().err
    assert "rayfleet: the job cannot be sent: the head requires the token of Secret" in said
    assert written(terminal, "DELETE") == {"preconditions": {"uid": f"uid-of-{JOB}"}}


def test_without_following_a_directory_is_sent_all_the_same(
    terminal: JobTerminal, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name is printed once nothing of this machine is needed any more."""

    def accept(_: str) -> None:
        for sent in terminal.dashboard.submissions:
            terminal.put_running(jobId=sent["submission_id"])

    terminal.api.on_write = accept
    assert submit_directory(terminal, directory, "--no-follow") == 0
    assert capsys.readouterr().out == f"rayjob/{JOB}\n"
    assert len(terminal.dashboard.submissions) == 1


def test_a_job_that_ends_before_it_is_sent_is_a_failure(
    terminal: JobTerminal, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as by its deadline, or because somebody deletes it."""
    terminal.lose_cluster()

    def fail(path: str) -> None:
        if path == CLUSTER_PATH:
            terminal.end("FAILED")

    terminal.api.on_read = fail
    assert submit_directory(terminal, directory, "--no-follow") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "train: failed after 5 min" in said.err


def test_a_dry_run_needs_no_cluster(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what would be created; the note on the directory does not get into the manifest."""
    words = [
        "submit",
        "--kubeconfig=/nowhere",
        "--dry-run",
        "--working-dir",
        str(directory),
        "--",
        "python",
        "x.py",
    ]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.startswith("apiVersion: ray.io/v1\nkind: RayJob\n")
    assert "generateName: x-" in said.out
    assert "the working directory (1 file, 1 KiB) and then the job are sent" in said.err


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (
            409,
            'rayjobs.ray.io "train" already exists',
            "already exists: choose another --name, or leave it out.",
        ),
        (403, "exceeded quota: jobs", "the RayJob cannot be created: exceeded quota: jobs"),
        (401, "Unauthorized", "does not accept the credentials of the kubeconfig"),
        (
            404,
            "the server could not find the requested resource",
            "does not know RayJob of ray.io/v1: install",
        ),
    ],
)
def test_a_job_that_cannot_be_created_ends_with_a_sentence(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], status: int, message: str, words: str
) -> None:
    reason = "AlreadyExists" if status == 409 else ""
    terminal.api.answers[f"POST {JOBS_PATH}"] = status, {"message": message, "reason": reason}
    assert run(terminal, "submit", "--", "x") == 1
    assert words in capsys.readouterr().err


# logs


def test_a_log_is_shown_as_it_is_now(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "one\ntwo\nthree"
    assert run(terminal, "logs", JOB) == 0
    assert capsys.readouterr() == ("one\ntwo\nthree\n", "")


@pytest.mark.parametrize(("tail", "shown"), [("0", ""), ("2", "two\nthree\n"), ("9", "one\ntwo\nthree\n")])
def test_a_log_is_shown_from_its_last_lines_on(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], tail: str, shown: str
) -> None:
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "one\ntwo\nthree\n"
    assert run(terminal, "logs", f"rayjob/{JOB}", "--tail", tail) == 0
    assert capsys.readouterr().out == shown


def test_a_log_is_followed_from_its_last_lines_on(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was passed over is not shown later, either."""
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "one\ntwo\n"

    def end(number: int) -> None:
        if number > 1:  # The first one is for the tail.
            terminal.end()

    terminal.api.on_forward = end
    assert run(terminal, "logs", JOB, "-f", "--tail", "1") == 0
    said = capsys.readouterr()
    assert said.out == "two\n"
    assert said.err.splitlines()[-1] == "train: succeeded after 5 min"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("Initializing", "has no log yet, as it is Initializing: wait for it with -f"),
        ("", "has no log yet, as it is new"),
    ],
)
def test_a_job_that_has_not_begun_has_no_log(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], state: str, words: str
) -> None:
    terminal.put_job(state)
    assert run(terminal, "logs", JOB) == 1
    assert words in capsys.readouterr().err


def test_a_log_is_gone_with_its_cluster(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says how to keep it next time."""
    terminal.end()
    terminal.lose_cluster()
    assert run(terminal, "logs", JOB) == 1
    assert "the log of RayJob train is gone with its cluster" in capsys.readouterr().err


# stop


def test_a_job_is_stopped_in_ray(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.put_running()
    terminal.api.on_forward = lambda _: terminal.end("STOPPED")
    terminal.dashboard.run(JOB_ID)
    assert run(terminal, "stop", JOB) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "train: stopped after 5 min: Ray says STOPPED"


def test_a_job_is_deleted_if_it_is_the_one_that_was_read(terminal: JobTerminal) -> None:
    """Another one of its name, created meanwhile, stays."""
    terminal.put_running()
    assert run(terminal, "stop", JOB, "--delete") == 0
    assert written(terminal, "DELETE") == {"preconditions": {"uid": f"uid-of-{JOB}"}}
    assert terminal.dashboard.jobs[JOB_ID]["status"] == "RUNNING"


@pytest.mark.parametrize("state", ["", "Initializing", "Suspended", "Retrying"])
def test_a_job_that_is_not_in_ray_cannot_be_stopped_there(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    terminal.put_job(state)
    assert run(terminal, "stop", JOB) == 1
    assert "nothing to stop: delete it with --delete." in capsys.readouterr().err


def test_a_job_that_is_over_is_left_alone(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.end()
    assert run(terminal, "stop", JOB) == 0
    assert "it is over: SUCCEEDED" in capsys.readouterr().err
    assert terminal.api.forwards == 0


def test_a_stop_without_the_right_to_a_port_forward_names_it(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.put_running()
    terminal.api.refusal = "pods is forbidden"
    assert run(terminal, "stop", JOB) == 1
    said = capsys.readouterr().err
    assert "ask for the verbs get and create on pods/portforward" in said
    assert "delete the job with --delete" in said


# jobs


def test_jobs_are_listed_page_by_page(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first."""
    older = stored_job("older", {"jobDeploymentStatus": "Complete"})
    older["metadata"]["creationTimestamp"] = "2026-11-30T10:00:00Z"
    terminal.api.answers[JOBS_PATH] = 200, {"items": [older], "metadata": {"continue": "more"}}
    terminal.api.pages = {"more": {"items": [stored_job("newer")]}}
    assert run(terminal, "jobs", "-o", "name") == 0
    assert capsys.readouterr().out == "rayjob/newer\nrayjob/older\n"


def test_jobs_of_all_namespaces_have_their_namespace(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    status = {
        "jobDeploymentStatus": "Failed",
        "jobStatus": "FAILED",
        "rayClusterName": CLUSTER,
        "startTime": "2026-12-01T10:00:00Z",
        "endTime": "2026-12-01T10:03:20Z",
        "verdict": {"category": "application", "cause": "DriverExited"},
    }
    terminal.api.answers[ALL_JOBS] = 200, {"items": [stored_job(status=status)]}
    assert run(terminal, "jobs", "-A") == 0
    heads, row = capsys.readouterr().out.splitlines()[:2]
    assert heads.split()[:3] == ["NAMESPACE", "NAME", "STATE"]
    assert row.split()[:5] == ["team-a", JOB, "Failed", "FAILED", CLUSTER]
    assert "3 min" in row


def test_jobs_are_data_for_programs(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.api.answers[JOBS_PATH] = 200, {"items": [stored_job()]}
    assert run(terminal, "jobs", "-o", "json") == 0
    (job,) = json.loads(capsys.readouterr().out)["jobs"]
    assert (job["name"], job["state"], job["jobStatus"], job["verdict"]) == (JOB, "New", "", None)


def test_a_namespace_without_jobs_says_so(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.api.answers[JOBS_PATH] = 200, {"items": []}
    assert run(terminal, "jobs") == 0
    assert capsys.readouterr().out == "There are no RayJobs in namespace team-a.\n"
