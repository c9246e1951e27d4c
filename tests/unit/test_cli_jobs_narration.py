"""What is told while somebody waits for a job, and what the last line and the exit code are."""

from typing import Any

import pytest

from rayfleet.api.rayjob.status import RayJobStatus, recorded
from rayfleet.cli.jobs.narration import (
    FIRST_REMINDER,
    LEAST_BETWEEN,
    LONGEST,
    Narrator,
    Stage,
    ending_of,
    is_in_ray,
    stage_of,
)

TIME = "2026-12-01T10:00:00Z"
ACCEPTED = {"acceptedTime": TIME}


def status(state: str, **fields: Any) -> RayJobStatus:
    return recorded({"jobDeploymentStatus": state, **fields})


def progressing(state: str, message: str, **fields: Any) -> RayJobStatus:
    condition = {"type": "Progressing", "status": "True", "reason": state, "message": message}
    return status(state, conditions=[condition], **fields)


STAGES = [
    (status(""), 5.0, Stage("New")),
    (progressing("Initializing", "no room"), 5.0, Stage("Initializing", "no room")),
    (progressing("Initializing", "no room", attempt=2), 5.0, Stage("Initializing, attempt 2", "no room")),
    (progressing("Running", "being submitted"), 5.0, Stage("Running", "being submitted")),
    (
        progressing("Running", "x", submission=ACCEPTED, jobStatus="PENDING", jobId="a"),
        5.0,
        Stage("Running: Ray says PENDING", is_waiting=False),
    ),
    (
        progressing("Running", "silent", submission=ACCEPTED, jobId="a", jobStatusCheckFailureStartTime=TIME),
        5.0,
        Stage("Running", "silent"),
    ),
    (status("Retrying", conditions=[]), 5.0, Stage("Retrying")),
    (status("ValidationFailed", message="entrypoint"), 5.0, Stage("ValidationFailed", "entrypoint")),
]


@pytest.mark.parametrize(("of", "age", "stage"), STAGES)
def test_a_stage_is_what_the_operator_recorded(of: RayJobStatus, age: float, stage: Stage) -> None:
    assert stage_of(of, age) == stage


def test_a_condition_of_another_state_is_not_told() -> None:
    """Its words may be written a moment after the state."""
    before = [{"type": "Progressing", "status": "True", "reason": "Initializing", "message": "old"}]
    assert stage_of(status("Running", conditions=before), 5.0) == Stage("Running")


def test_a_job_that_nobody_takes_up_says_so() -> None:
    assert "does the operator run" in stage_of(status(""), 31.0).words
    assert stage_of(status(""), 29.0).words == ""


def test_that_it_was_created_is_known() -> None:
    """The command has said so."""
    narrator = Narrator(50.0)
    assert narrator.line(Stage("New"), 60.0) is None
    assert narrator.line(Stage("New"), 999.0) is None
    assert narrator.line(Stage("New", "late"), 1000.0) == "New: late"


def test_each_stage_is_told_once() -> None:
    narrator = Narrator(0.0)
    assert narrator.line(Stage("A", "words"), 0.0) == "A: words"
    assert narrator.line(Stage("A", "words"), 1.0) is None
    assert narrator.line(Stage("B"), 1.0) == "B"


def test_words_that_change_all_the_time_are_told_now_and_then() -> None:
    narrator = Narrator(0.0)
    narrator.line(Stage("A", "1"), 0.0)
    assert narrator.line(Stage("A", "2"), LEAST_BETWEEN - 1) is None
    assert narrator.line(Stage("A", "3"), LEAST_BETWEEN) == "A: 3"


def test_a_long_wait_says_again_what_it_waits_for() -> None:
    """Ever less often."""
    narrator = Narrator(0.0)
    narrator.line(Stage("A", "quota"), 0.0)
    told = [now for now in range(3600) if narrator.line(Stage("A", "quota"), float(now))]
    assert told == [60, 180, 420, 900, 1500, 2100, 2700, 3300]


def test_how_long_it_waits_is_part_of_the_reminder() -> None:
    narrator = Narrator(0.0)
    narrator.line(Stage("A", "quota"), 0.0)
    assert narrator.line(Stage("A", "quota"), FIRST_REMINDER * 2) == "A for 2 min: quota"


def test_a_job_that_runs_is_not_waited_for() -> None:
    """Its log says what it does."""
    narrator = Narrator(0.0)
    narrator.line(Stage("A", is_waiting=False), 0.0)
    assert narrator.line(Stage("A", is_waiting=False), 9999.0) is None


def test_a_line_is_one_line_of_a_terminal() -> None:
    """Messages may hold what a tenant has written."""
    line = Narrator(0.0).line(Stage("A", "x\n\x1b[2J" + "y" * 2000), 0.0)
    assert line is not None
    assert line.isprintable()
    assert len(line) == LONGEST


IN_RAY = [
    (status("Running", submission=ACCEPTED, jobId="a"), True),
    (status("Running", jobStatus="PENDING", jobId="a"), True),
    (status("Running", jobId="a"), False),
    (status("Complete", jobStatus="SUCCEEDED", jobId="a"), True),
    (status("Failed", jobId="a"), False),
    (status("Retrying", jobStatus="FAILED", jobId="a"), False),
    (status("Suspended", jobStatus="RUNNING", jobId="a"), False),
    (status("Running", jobStatus="RUNNING", jobId="../a"), False),
]


@pytest.mark.parametrize(("of", "there"), IN_RAY)
def test_there_is_a_log_once_ray_has_the_job(of: RayJobStatus, there: bool) -> None:  # noqa: FBT001 - a row
    assert is_in_ray(of) is there


VERDICT = {"category": "infrastructure", "cause": "HeadLost", "evidence": ["the head is gone", "node n1"]}
ENDINGS = [
    (status("Complete", jobStatus="SUCCEEDED"), 0, "succeeded", 0),
    (status("Complete", jobStatus="STOPPED"), -15, "stopped: Ray says STOPPED", 143),
    (status("Failed", verdict=VERDICT), 2, "failed: HeadLost (infrastructure): the head is gone; node n1", 2),
    (
        status("Failed", reason="DeadlineExceeded", message="late"),
        None,
        "failed: DeadlineExceeded: late",
        1,
    ),
    (status("Failed", verdict=VERDICT), 0, "failed: HeadLost (infrastructure): the head is gone; node n1", 1),
    (status("Failed", reason="AppFailed"), 4096, "failed: AppFailed", 1),
    (status("ValidationFailed", message="entrypoint"), None, "is not valid: entrypoint", 1),
]


@pytest.mark.parametrize(("of", "driver", "words", "code"), ENDINGS)
def test_the_end_is_told_with_the_verdict(
    of: RayJobStatus, driver: int | None, words: str, code: int
) -> None:
    """A failure is never told as a success, whatever the driver's exit code is."""
    ending = ending_of(of, driver)
    assert (ending.words, ending.code) == (words, code)


def test_the_end_says_how_long_it_took() -> None:
    times = {"startTime": "2026-12-01T10:00:00Z", "endTime": "2026-12-01T10:05:00Z"}
    assert ending_of(status("Complete", jobStatus="SUCCEEDED", **times), 0).words == "succeeded after 5 min"
