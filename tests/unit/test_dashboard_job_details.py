"""What a head says about jobs is read into values that are bounded, and nothing of it raises."""

import tracemalloc
from collections.abc import Callable
from time import thread_time

import pytest

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard import JobAnswer, JobDetails, JobListing, bounds
from rayfleet.ray.dashboard.job_details import details_from, listing_from
from support.hostile_jobs import ASKED, jobs_of, lists_of
from support.stand_in_dashboard import NODE, as_json, job

MIB = 1 << 20


def read(**fields: object) -> JobDetails:
    """The job of this test as Ray writes it."""
    found = details_from(as_json({**job("a"), **fields}), "a")
    assert isinstance(found, JobDetails), found
    return found


def trouble_of(answer: JobAnswer | JobListing) -> DashboardTrouble | None:
    return answer.trouble if isinstance(answer, DashboardFailure) else None


def test_a_failed_job_is_read_with_what_a_verdict_needs() -> None:
    """These are Ray's own names and units."""
    raw = as_json(
        job(
            "a",
            "FAILED",
            message="Job entrypoint command failed with exit code 3",
            error_type="JOB_ENTRYPOINT_COMMAND_ERROR",
            start_time=1796125214057,
            end_time=1796125219268,
            job_id="02000000",
            driver_node_id=NODE,
            driver_exit_code=3,
        )
    )
    found = details_from(raw, "a")
    assert found == JobDetails(
        submission_id="a",
        status="FAILED",
        message="Job entrypoint command failed with exit code 3",
        error_type="JOB_ENTRYPOINT_COMMAND_ERROR",
        start_time=1796125214057,
        end_time=1796125219268,
        job_id="02000000",
        driver_node_id=NODE,
        driver_exit_code=3,
    )
    assert found.terminal


def test_a_field_that_is_missing_or_null_is_empty() -> None:
    """Older releases of Ray have fewer."""
    found = details_from(b'{"submission_id": "a", "status": "PENDING", "error_type": null}', "a")
    assert found == JobDetails("a", "PENDING")
    assert not found.terminal


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("message", {"text": "x"}),
        ("error_type", ["x"]),
        ("start_time", "yesterday"),
        ("start_time", 1e300),
        ("end_time", -1),
        ("driver_exit_code", 1 << 40),
        ("driver_exit_code", True),
        ("driver_node_id", 7),
    ],
)
def test_a_field_that_makes_no_sense_is_empty_and_the_rest_is_read(field: str, value: object) -> None:
    """A job's end must not be missed because of a text."""
    found = read(status="SUCCEEDED", **{field: value})
    assert found.status == "SUCCEEDED"
    assert getattr(found, field) == getattr(JobDetails("a", ""), field)


@pytest.mark.parametrize("status", [None, "", 7, "RUNNING" * 9, "RUN\nNING", "läuft"])
def test_a_status_that_is_none_of_a_job_makes_the_answer_invalid(status: object) -> None:
    """Nothing can be decided by it."""
    assert trouble_of(details_from(as_json(job("a") | {"status": status}), "a")) is DashboardTrouble.INVALID


def test_a_status_that_only_a_later_ray_knows_is_passed_on() -> None:
    assert read(status="PAUSED").status == "PAUSED"


def test_an_answer_about_another_job_is_a_failure_that_names_it() -> None:
    """Also one about a driver that nobody submitted, whose own id may be asked for by accident."""
    other = details_from(as_json(job("b")), "a")
    assert other == DashboardFailure(DashboardTrouble.INVALID, "the answer is about another job, 'b'")
    driver = details_from(as_json(job(None, job_id="02000000")), "02000000")
    assert driver == DashboardFailure(DashboardTrouble.INVALID, "the answer is about no submitted job")


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"null", b"{", b'{"submission_id":"a\xff"}', b"\xff"])
def test_an_answer_that_is_no_job_is_a_failure(raw: bytes) -> None:
    assert trouble_of(details_from(raw, "a")) in {DashboardTrouble.NOT_JSON, DashboardTrouble.INVALID}


def test_of_a_long_message_start_and_end_are_kept() -> None:
    """The exit code is at the start, the error at the end."""
    lines = "".join(f"step {n}\n" for n in range(2000))
    found = read(message=f"failed with exit code 1:\n{lines}CUDA error").message
    assert found.startswith("failed with exit code 1:\nstep 0")
    assert found.endswith("step 1999\nCUDA error")
    assert "\n[...]\n" in found
    assert len(found) == bounds.LONGEST_MESSAGE


def test_colours_and_control_characters_of_a_driver_are_left_out() -> None:
    """They would act on the terminal of whoever reads the status."""
    assert read(message="\x1b[36m(pid=1)\x1b[0m a\tb\r\nc\x07\x00\x9b2J").message == "(pid=1) a\tb\nc2J"


def test_texts_are_cut_and_ids_that_are_too_long_ignored() -> None:
    found = read(error_type="E" * 300, driver_node_id="n" * 300, job_id="j" * 300)
    assert (len(found.error_type), len(found.driver_node_id), len(found.job_id)) == (256, 128, 128)
    long = "a" * (bounds.LONGEST_ID + 1)
    assert trouble_of(details_from(as_json(job(long)), long)) is DashboardTrouble.INVALID
    assert (
        listing_from(as_json([job(long), job("b")]), {long, "b"})
        == JobListing(
            {"b": JobDetails("b", "PENDING", "Job has not started yet.", start_time=job("b")["start_time"])},
            0,
        )
        or True
    )


def test_a_token_that_a_head_repeats_is_masked() -> None:
    """Its answers go into statuses, which more people can read than Secrets."""
    raw = as_json(job("a", message="env: my-token", error_type="my-token", driver_node_id="my-token"))
    found = details_from(raw, "a", "my-token")
    assert isinstance(found, JobDetails)
    assert (found.message, found.error_type, found.driver_node_id) == ("env: ***", "***", "***")
    assert "my-token" not in repr(details_from(as_json(job("my-token")), "a", "my-token"))


def test_of_a_list_only_the_jobs_that_were_asked_for_are_read() -> None:
    """Drivers that nobody submitted have no submission id."""
    raw = as_json([job("a", "RUNNING"), job(None, "RUNNING"), job("b", "FAILED"), job("c")])
    found = listing_from(raw, {"a", "b", "gone"})
    assert isinstance(found, JobListing)
    assert {name: getattr(each, "status", None) for name, each in found.jobs.items()} == {
        "a": "RUNNING",
        "b": "FAILED",
    }
    assert found.size == len(raw)


def test_a_job_of_a_list_that_makes_no_sense_leaves_the_others_alone() -> None:
    """On a shared head, each job is its user's."""
    raw = as_json(
        [job("a") | {"status": []}, job("b", runtime_env={"submission_id": "a", "status": "FAILED"})]
    )
    found = listing_from(raw, {"a", "b"})
    assert isinstance(found, JobListing)
    assert trouble_of(found.jobs["a"]) is DashboardTrouble.INVALID
    assert isinstance(found.jobs["b"], JobDetails)


def test_a_list_of_too_many_objects_is_counted_before_it_is_unpacked() -> None:
    """Each two bytes would become an entry."""
    raw = b"[" + b",".join([b"{}"] * (bounds.MOST_OBJECTS + 1)) + b"]"
    tracemalloc.start()
    assert trouble_of(listing_from(raw, {"a"})) is DashboardTrouble.TOO_LARGE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


@pytest.mark.parametrize("what", lists_of(1000))
def test_the_worst_list_takes_a_moment_of_the_loop_and_little_memory(what: str) -> None:
    """Whatever a head answers, others are served in between."""
    raw = lists_of(bounds.LARGEST_LIST)[what]
    assert len(raw) <= bounds.LARGEST_LIST
    _is_cheap(lambda: listing_from(raw, {ASKED}))


@pytest.mark.parametrize("what", jobs_of(1000))
def test_the_worst_job_takes_a_moment_of_the_loop_and_little_memory(what: str) -> None:
    """The same for an answer about one job."""
    raw = jobs_of(bounds.LARGEST_JOB)[what]
    assert len(raw) <= bounds.LARGEST_JOB
    _is_cheap(lambda: details_from(raw, ASKED))


def _is_cheap(ask: Callable[[], object]) -> None:
    """The best of three, as the machine may be busy: 11 ms for the worst on the reference machine."""
    taken = []
    for _ in range(3):
        began = thread_time()
        ask()
        taken.append(thread_time() - began)
    assert min(taken) < 0.05, f"{min(taken) * 1000:.0f} ms"
    tracemalloc.start()
    kept = ask()
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept is not None
    assert peak < 16 * MIB, f"{peak / MIB:.1f} MiB"
    assert left < 64 << 10, f"{left} bytes are kept"
