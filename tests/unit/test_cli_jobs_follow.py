"""A job is followed to its end, whatever happens to the connections: real port-forwards, real HTTP."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rayfleet.cli.jobs import follower, log_reader
from rayfleet.cli.main import main
from support.job_terminal import CREATED, JOB, JOB_ID, JOB_PATH, JOBS_PATH, JobTerminal, stored_job
from support.waiting import eventually, throughout

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - a stand-in's


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobTerminal]:
    """Everything goes at ten times its pace."""
    monkeypatch.setattr(follower, "LIVELY_SECONDS", 0.1)
    monkeypatch.setattr(follower, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(log_reader, "_FIRST_WAIT", 0.05)
    made = JobTerminal(tmp_path)
    yield made
    made.close()


@contextmanager
def meanwhile(play: Callable[[], None]) -> Iterator[None]:
    """Something that others do while the command runs."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            play()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(30)
    assert not errors, errors


def submitted(terminal: JobTerminal, *options: str) -> int:
    """The exit code of `submit`, for a job that the API server calls `train`."""
    terminal.api.answers[f"POST {JOBS_PATH}"] = 201, stored_job()
    kubeconfig = f"--kubeconfig={terminal.kubeconfig}"
    return main(["submit", kubeconfig, *options, "--", "python", "train.py"])


def followed(terminal: JobTerminal) -> None:
    """Wait until the log is being read."""
    eventually("a port-forward", lambda: terminal.api.forwards)


def test_a_submitted_job_is_followed_to_its_end(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """What becomes of it is on standard error, its log and nothing else on standard output."""
    waits = {"type": "Progressing", "status": "True", "reason": "Initializing", "message": "no room"}
    terminal.put_job("Initializing", conditions=[waits])

    def play() -> None:
        eventually("the job to be looked at", lambda: JOB_PATH in terminal.api.read)
        terminal.put_running()
        followed(terminal)
        terminal.dashboard.logs[JOB_ID] = "one\n"
        terminal.dashboard.logs[JOB_ID] += "two"
        terminal.end()

    with meanwhile(play):
        assert submitted(terminal) == 0
    said = capsys.readouterr()
    assert said.out == "one\ntwo\n"
    assert said.err.splitlines() == [
        "train: RayJob team-a/train created",
        "train: Initializing: no room",
        "train: Running: Ray says RUNNING",
        "train: succeeded after 5 min",
    ]


def test_a_log_that_is_cut_is_read_on_where_it_was(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is missing, and none is there twice."""
    lines = [f"line {number}" for number in range(2500)]
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "\n".join(lines)
    terminal.dashboard.cuts = 3

    def play() -> None:
        eventually("all cuts", lambda: not terminal.dashboard.cuts)
        terminal.end()

    with meanwhile(play):
        assert submitted(terminal) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == lines


def test_a_log_that_is_whole_is_not_read_again(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be large, and the operator may learn of the end a while later; then the head may be gone."""
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "one\n"

    def play() -> None:
        followed(terminal)
        terminal.dashboard.finish(JOB_ID, "FAILED", driver_exit_code=4)
        eventually("the end to be asked for", lambda: (f"/api/jobs/{JOB_ID}") in paths(terminal))
        throughout("one stream", lambda: len(streams(terminal)) == 1, seconds=0.5)
        terminal.end("FAILED", driver_exit_code=4)
        terminal.fall_silent()

    with meanwhile(play):
        assert submitted(terminal) == 4
    assert capsys.readouterr().out == "one\n"


def paths(terminal: JobTerminal) -> list[str]:
    return [path for _, path in terminal.dashboard.requests]


def streams(terminal: JobTerminal) -> list[str]:
    return [path for path in paths(terminal) if path.endswith("/logs/tail")]


def test_a_silent_head_does_not_end_the_command(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the RayJob's status says how the job has ended."""
    terminal.put_running()
    terminal.fall_silent()

    def play() -> None:
        eventually("several attempts", lambda: terminal.api.forwards > 2)
        terminal.lose_cluster()
        terminal.end("FAILED")

    with meanwhile(play):
        assert submitted(terminal) == 1
    said = capsys.readouterr().err
    assert said.count("the log cannot be read: error forwarding port 8265") == 1
    assert "train: failed after 5 min: DriverExited (application): exit code 3" in said


@pytest.mark.parametrize(
    ("status", "fields", "code"),
    [
        ("SUCCEEDED", {}, 0),
        ("FAILED", {"driver_exit_code": 3}, 3),
        ("FAILED", {"driver_exit_code": -9}, 137),
        ("FAILED", {"driver_exit_code": None}, 1),
        ("STOPPED", {"driver_exit_code": None}, 1),
    ],
)
def test_the_exit_code_is_that_of_the_driver(
    terminal: JobTerminal, status: str, fields: dict[str, Any], code: int
) -> None:
    """As a shell has it, 128 and more for a signal; a job that was stopped is no success."""
    terminal.put_running()
    terminal.end(status, **fields)
    assert submitted(terminal) == code


def test_without_the_right_to_a_port_forward_the_state_is_followed(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The right to ask for is named, once."""
    terminal.api.refusal = "pods is forbidden"
    terminal.put_running()

    def play() -> None:
        followed(terminal)
        terminal.end()

    with meanwhile(play):
        assert submitted(terminal) == 0
    said = capsys.readouterr().err
    assert said.count("ask for the verbs get and create on pods/portforward") == 1
    assert "train: succeeded" in said


def test_a_deleted_job_ends_the_command(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.put_job("Initializing")

    def play() -> None:
        eventually("the job", lambda: terminal.api.written)
        del terminal.api.answers[JOB_PATH]

    with meanwhile(play):
        assert submitted(terminal) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "train: was deleted"


def test_each_attempt_has_its_own_log(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    """The first one is shown to its end, although its attempt is over, and the second from its start."""
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "first attempt\n"

    def play() -> None:
        followed(terminal)
        terminal.dashboard.logs[JOB_ID] += "Traceback\n"
        terminal.dashboard.finish(JOB_ID, "FAILED")
        terminal.put_job("Retrying", jobStatus="FAILED", submission={"acceptedTime": CREATED})
        eventually("the next look", lambda: terminal.dashboard.asked("GET", f"/api/jobs/{JOB_ID}"))
        terminal.dashboard.submit("train-again")
        terminal.dashboard.logs["train-again"] = "second attempt\n"
        terminal.put_running(jobId="train-again", attempt=2)
        eventually("the second log", lambda: terminal.dashboard.asked("GET", "/api/jobs/train-again"))
        terminal.end(job_id="train-again")

    with meanwhile(play):
        assert submitted(terminal) == 0
    assert capsys.readouterr().out == "first attempt\nTraceback\nsecond attempt\n"


def test_a_token_is_sent_to_the_head(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in nothing that is shown."""
    terminal.protect(TOKEN)
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "hello\n"
    terminal.end()
    assert submitted(terminal) == 0
    said = capsys.readouterr()
    assert said.out == "hello\n"
    assert terminal.dashboard.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in said.out + said.err


def test_without_following_the_name_is_printed(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a script, which can give it to `kubectl` and to us."""
    assert submitted(terminal, "--no-follow") == 0
    assert capsys.readouterr().out == f"rayjob/{JOB}\n"
    assert terminal.api.forwards == 0


def test_what_a_head_says_cannot_move_the_cursor(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor can the message of a failed job."""
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "\x1b[2Jhello\x07\n"
    evil = {"category": "application", "cause": "Driver\x1b[2J", "evidence": ["\x1b]0;x\x07"]}
    terminal.put_job(
        "Failed", jobStatus="FAILED", verdict=evil, submission={"acceptedTime": "2026-12-01T10:00:00Z"}
    )
    terminal.dashboard.finish(JOB_ID, "FAILED")
    assert submitted(terminal) == 1
    said = capsys.readouterr()
    assert said.out == "hello\n"
    assert "\x1b" not in said.err
    assert "\x07" not in said.err
