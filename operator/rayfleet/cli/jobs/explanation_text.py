"""An explanation of a job as text: where it stands, what it waits for, what comes next; then its cluster."""

from collections.abc import Iterator

from rayfleet.cli.durations import duration
from rayfleet.cli.explanation_text import events_table, explanation_text
from rayfleet.cli.tables import section, sentence, table
from rayfleet.explain.job_explanation import Failure, JobExplanation

SHOWN = 20
"""Things that it waits for, shown one by one."""


def job_explanation_text(of: JobExplanation) -> str:
    """The whole explanation."""
    return "".join(
        (
            f"RayJob {of.namespace}/{of.name}\n",
            *_head(of),
            section("Waits for", _waits(of)),
            section("Next", _steps(of)),
            section("Last failure", _failure(of, of.failure) if of.failure is not None else ""),
            section("Events", events_table(of.events, of.now)),
            f"\n{explanation_text(of.cluster)}" if of.cluster is not None else "",
        )
    )


def _head(of: JobExplanation) -> Iterator[str]:
    lasted = duration((of.ended or of.now) - of.started)
    since = f" {'after' if of.ended else 'for'} {lasted}" if of.started else ""
    where = f", on RayCluster {of.cluster_name}" if of.cluster_name else ""
    yield sentence(f"{of.state}{since}{where}")
    says = of.job_status or "nothing yet"
    yield sentence(f"Ray says {says}{f' of job {of.job_id}' if of.job_id else ''}")
    if of.attempt is not None and (of.attempt > 1 or of.failed):
        allowed = "" if of.backoff_limit is None else f"; backoffLimit is {of.backoff_limit}"
        yield sentence(f"Attempt {of.attempt}, {of.failed} failed{allowed}")
    for one in of.conditions:
        lasts = f" for {duration(of.now - one.since)}" if one.since else ""
        words = f": {one.message}" if one.message else ""
        yield sentence(f"{one.type}={one.holds} ({one.reason}){lasts}{words}")
    for words in of.missing:
        yield sentence(f"Not known: {words}")


def _waits(of: JobExplanation) -> str:
    rows = [
        (wait.kind, duration(of.now - wait.since) if wait.since else "-", wait.words)
        for wait in of.waits[:SHOWN]
    ]
    more = len(of.waits) - SHOWN
    return table(("WHO", "FOR", "WHAT"), rows) + (f"and {more} more\n" if more > 0 else "")


def _steps(of: JobExplanation) -> str:
    lines = [
        sentence(step.words if step.seconds is None else f"{_when(step.seconds)}: {step.words}")
        for step in of.steps
    ]
    return "".join(lines) or "Nothing.\n"


def _when(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds else "now"


def _failure(of: JobExplanation, failure: Failure) -> str:
    when = f" {duration(of.now - failure.time)} ago" if failure.time else ""
    attempt = f"attempt {failure.attempt}" if failure.attempt is not None else "the last attempt"
    head = sentence(f"{attempt} failed{when}: {failure.cause}, a fault of the {_whose(failure.category)}")
    return head + "".join(sentence(f"- {words}") for words in failure.evidence)


def _whose(category: str) -> str:
    return {"application": "program", "configuration": "manifest"}.get(category, category)
