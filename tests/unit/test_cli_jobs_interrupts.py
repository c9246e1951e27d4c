"""Ctrl-C while a job is followed: asked on a terminal, and nowhere else. Real processes, a real terminal."""

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from support.job_terminal import JOB, JOB_ID, JOB_PATH, JOBS_PATH, JobTerminal, stored_job
from support.waiting import eventually

QUESTION = "stop the job? [y/N/d]etach"
SUBMIT = ("submit", "--", "python", "train.py")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[JobTerminal]:
    made = JobTerminal(tmp_path)
    made.api.answers[f"POST {JOBS_PATH}"] = 201, stored_job()
    yield made
    made.close()


class Keyboard:
    """A command on a terminal of its own, of which standard error is shown, and standard input typed."""

    def __init__(self, terminal: JobTerminal, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self.process = terminal.start(*words, stdin=theirs, stderr=theirs)
        os.close(theirs)
        self._shown = ""

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)
        os.close(self._ours)

    @property
    def shown(self) -> str:
        """Everything so far."""
        with suppress(OSError):  # Nothing new, or the end.
            while piece := os.read(self._ours, 4096):
                self._shown += piece.decode()
        return self._shown

    def await_words(self, words: str, times: int = 1) -> None:
        eventually(words, lambda: self.shown.count(words) >= times, seconds=30, why=lambda: self.shown)

    def press(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def await_end(self) -> int:
        return self.process.wait(timeout=30)


@pytest.fixture
def keyboard(terminal: JobTerminal) -> Iterator[Keyboard]:
    """A job that runs, and is followed."""
    terminal.put_running()
    with ExitStack() as stack:
        made = Keyboard(terminal, *SUBMIT)
        stack.callback(made.close)
        made.await_words("Ray says RUNNING")
        yield made


def test_whoever_says_yes_stops_the_job_and_sees_its_end(terminal: JobTerminal, keyboard: Keyboard) -> None:
    keyboard.press()
    keyboard.await_words(QUESTION)
    keyboard.type("y\n")
    keyboard.await_words("Ray stops it")
    assert terminal.dashboard.jobs[JOB_ID]["status"] == "STOPPED"
    terminal.end("STOPPED")
    assert keyboard.await_end() == 130
    assert "train: stopped after 5 min: Ray says STOPPED" in keyboard.shown


def test_whoever_says_no_goes_on_and_whoever_detaches_leaves_the_job(
    terminal: JobTerminal, keyboard: Keyboard
) -> None:
    """Enter alone is a no."""
    eventually("the log to be read", lambda: terminal.api.forwards)
    before = terminal.api.forwards
    keyboard.press()
    keyboard.await_words(QUESTION)
    keyboard.type("\n")
    eventually("the log to be read again", lambda: terminal.api.forwards > before)
    keyboard.press()
    keyboard.await_words(QUESTION, times=2)
    keyboard.type("d\n")
    assert keyboard.await_end() == 130
    assert "goes on without you: see `rayfleet logs train -f`" in keyboard.shown
    assert terminal.dashboard.jobs[JOB_ID]["status"] == "RUNNING"


def test_a_second_press_leaves_the_job(terminal: JobTerminal, keyboard: Keyboard) -> None:
    keyboard.press()
    keyboard.await_words(QUESTION)
    keyboard.press()
    assert keyboard.await_end() == 130
    assert terminal.dashboard.jobs[JOB_ID]["status"] == "RUNNING"


def test_a_job_that_has_not_begun_is_deleted_by_a_yes(terminal: JobTerminal) -> None:
    """There is nothing to stop in Ray, and it would begin later."""
    terminal.put_job("Initializing")
    with ExitStack() as stack:
        made = Keyboard(terminal, *SUBMIT)
        stack.callback(made.close)
        made.await_words("Initializing")
        made.press()
        made.await_words(QUESTION)
        made.type("y\n")
        assert made.await_end() == 130
        assert f"{JOB}: deleted, before it has begun to run" in made.shown
    deleted = [path for method, path, _ in terminal.api.written if method == "DELETE"]
    assert deleted == [JOB_PATH]


def test_without_a_terminal_nobody_is_asked(terminal: JobTerminal) -> None:
    """A pipeline that is cancelled leaves the job alone, too."""
    terminal.put_running()
    terminal.dashboard.logs[JOB_ID] = "hello\n"
    with terminal.start(*SUBMIT, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "hello\n"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(timeout=30) == 130
    assert QUESTION not in said
    assert "goes on without you" in said
    assert terminal.dashboard.jobs[JOB_ID]["status"] == "RUNNING"
