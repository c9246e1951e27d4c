"""Reads what Ray says about jobs into values, without trusting it. No I/O here.

Only the fields that are used are unpacked, and only of the jobs that were asked for: of all others, their
bytes are passed over. What cannot be read or is too much is a failure, never an exception.
"""

import re
from collections.abc import Collection
from typing import Final

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard import bounds
from rayfleet.ray.dashboard.jobs import JobDetails, JobListing

_NOTHING: Final = Raw(b"null")
_BYTES_OF_A_CHARACTER: Final = 12
"""At most: a character beyond the basic plane takes two escapes in JSON."""
_QUOTE: Final = ord('"')
_LONGEST_NUMBER: Final = 32
"""Characters of a number that is read: a longer one takes time."""
_BROKEN: Final = (MsgspecError, RecursionError, UnicodeDecodeError)
"""What decoding raises: not JSON, another type, too deep, not UTF-8."""
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]{0,32}[A-Za-z]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_CUT: Final = "\n[...]\n"


class _RawJob(Struct, gc=False):
    """One job as it came. Each field is kept as its JSON: unpacking it may cost more than the whole rest."""

    submission_id: Raw = _NOTHING
    status: Raw = _NOTHING
    message: Raw = _NOTHING
    error_type: Raw = _NOTHING
    start_time: Raw = _NOTHING
    end_time: Raw = _NOTHING
    job_id: Raw = _NOTHING
    driver_node_id: Raw = _NOTHING
    driver_exit_code: Raw = _NOTHING


_ENTRY: Final = Decoder(_RawJob)
_ENTRIES: Final = Decoder(list[_RawJob])
_TEXT: Final = Decoder(str)
_NUMBER: Final = Decoder(int | float | None)


def details_from(raw: bytes, submission_id: str, secret: str = "") -> JobDetails | DashboardFailure:
    """The job in an answer about one. `secret` is masked wherever the head repeats it."""
    try:
        entry = _ENTRY.decode(raw)
    except _BROKEN as error:
        return _unreadable(error)
    if (found := _id(entry)) != submission_id:
        about = "no submitted job" if found is None else f"another job, {cleaned(found, secret)[:60]!r}"
        return DashboardFailure(DashboardTrouble.INVALID, f"the answer is about {about}")
    return _details(entry, submission_id, secret)


def listing_from(raw: bytes, ids: Collection[str], secret: str = "") -> JobListing | DashboardFailure:
    """The jobs with these submission ids in a list of all jobs."""
    if raw.count(b"{") > bounds.MOST_OBJECTS:
        message = f"the list has more than {bounds.MOST_OBJECTS} objects, which is the most read"
        return DashboardFailure(DashboardTrouble.TOO_LARGE, message)
    try:
        # Once for all: passing over a text does not check it, and each of thousands could raise.
        raw.decode()
        entries = _ENTRIES.decode(raw)
    except _BROKEN as error:
        return _unreadable(error)
    jobs: dict[str, JobDetails | DashboardFailure] = {}
    for entry in entries:
        found = _id(entry)
        if found is not None and found in ids and found not in jobs:
            jobs[found] = _details(entry, found, secret)
    return JobListing(jobs, len(raw))


def _details(entry: _RawJob, submission_id: str, secret: str) -> JobDetails | DashboardFailure:
    status = _text(entry.status, bounds.LONGEST_STATUS)
    if not status or len(status) > bounds.LONGEST_STATUS or not (status.isascii() and status.isprintable()):
        return DashboardFailure(DashboardTrouble.INVALID, "the answer has no status of a job")
    message = _text(entry.message, bounds.LARGEST_MESSAGE) or ""
    return JobDetails(
        submission_id=submission_id,
        status=status,
        message=shortened(cleaned(message, secret)),
        error_type=_short(entry.error_type, bounds.LONGEST_ERROR_TYPE, secret),
        start_time=_time(entry.start_time),
        end_time=_time(entry.end_time),
        job_id=_short(entry.job_id, bounds.LONGEST_NAME, secret),
        driver_node_id=_short(entry.driver_node_id, bounds.LONGEST_NAME, secret),
        driver_exit_code=_number(entry.driver_exit_code, bounds.LARGEST_EXIT_CODE),
    )


def cleaned(text: str, secret: str) -> str:
    """A text without colours, control characters but line ends and tabs, and the secret."""
    if not text.isprintable():
        text = _CONTROL.sub("", _COLOUR.sub("", text))
    return text.replace(secret, "***") if secret else text


def shortened(message: str) -> str:
    """A message without its middle if it is too long: the error is at its end, the exit code at its start."""
    if len(message) <= bounds.LONGEST_MESSAGE:
        return message
    kept = bounds.LONGEST_MESSAGE - bounds.MESSAGE_START - len(_CUT)
    return f"{message[: bounds.MESSAGE_START]}{_CUT}{message[-kept:]}"


def _id(entry: _RawJob) -> str | None:
    """Its submission id; None of a driver that nobody submitted, and of one that is too long."""
    found = _text(entry.submission_id, bounds.LONGEST_ID)
    return found if found is not None and len(found) <= bounds.LONGEST_ID else None


def _text(raw: Raw, most: int) -> str | None:
    """The text in `raw`; None if it is something else, or has more bytes than `most` characters may."""
    view = memoryview(raw)
    # Looking is cheaper than an exception, of which a list could cause thousands.
    if view[0] != _QUOTE or view.nbytes > most * _BYTES_OF_A_CHARACTER + 2:
        return None
    try:
        return _TEXT.decode(raw)
    except _BROKEN:
        return None


def _short(raw: Raw, most: int, secret: str) -> str:
    """A text without what is beyond `most` characters; empty if it is far longer, or none."""
    return cleaned(_text(raw, most) or "", secret)[:most]


def _number(raw: Raw, most: float) -> int | None:
    """The number in `raw` if it is not larger than `most`, in either direction."""
    if memoryview(raw).nbytes > _LONGEST_NUMBER:
        return None
    try:
        found = _NUMBER.decode(raw)
    except _BROKEN:
        return None
    return int(found) if found is not None and abs(found) <= most else None


def _time(raw: Raw) -> int | None:
    found = _number(raw, bounds.LATEST_MS)
    return found if found is not None and found > 0 else None


def _unreadable(error: Exception) -> DashboardFailure:
    message = f"the answer is not what Ray says about jobs: {error}"
    return DashboardFailure(DashboardTrouble.NOT_JSON, message[: bounds.SHOWN])
