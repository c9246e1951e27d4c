"""The worst lists and jobs that a head may answer with, as bytes; each is as large as is read."""

from collections.abc import Mapping

from rayfleet.ray.dashboard import bounds
from support.stand_in_dashboard import as_json, job

ASKED = "asked"
"""The submission id of the job that each of them is about."""


def filled(unit: bytes, size: int, before: bytes = b"", after: bytes = b"", between: bytes = b",") -> bytes:
    """As many units as have room in `size` bytes."""
    room = size - len(before) - len(after) + len(between)
    return before + between.join([unit] * (room // (len(unit) + len(between)))) + after


def in_field(name: bytes, unit: bytes, size: int, ends: tuple[bytes, bytes] = (b"[", b"]")) -> bytes:
    """A job one of whose fields is as large as it can be."""
    start = b'{"submission_id":"%b","status":"RUNNING","%b":%b' % (ASKED.encode(), name, ends[0])
    return filled(unit, size, start, ends[1] + b"}")


def jobs_of(size: int) -> Mapping[str, bytes]:
    """One job of at most `size` bytes, by what is bad about it."""
    texts = {"escapes": rb"\u00e9", "line ends": rb"\n", "colours": rb"\u001b[0m", "emoji": "😀".encode()}
    pair = b'"message":%b'
    repeated = {
        "numbers": b'"end_time":9007199254740993.00000000000001',
        "long numbers": b'"driver_exit_code":' + b"1" * 4000,
        "nested": b'"message":{}',
        "unknown": b'"a":1',
        "texts": pair % b'"a"',
    }
    return {
        **{f"a message of {what}": _text(unit, size) for what, unit in texts.items()},
        **{f"fields repeated: {what}": _repeated(unit, size) for what, unit in repeated.items()},
        "objects in a field": in_field(b"runtime_env", b"{}", size),
        "lists in a field": in_field(b"runtime_env", b"[]", size),
        "numbers in a field": in_field(b"runtime_env", b"1", size),
        "blanks": b" " * (size - 2) + b"{}",
        "depth": b'{"runtime_env":' + b"[" * (size // 2 - 20) + b"]" * (size // 2 - 20) + b"}",
    }


def lists_of(size: int) -> Mapping[str, bytes]:
    """A list of at most `size` bytes, by what is bad about it."""
    real = as_json(job("raysubmit_xxxxxxxxxxxxxxxx", "SUCCEEDED", start_time=1, end_time=2))
    return {
        **{what: b"[" + raw + b"]" for what, raw in jobs_of(size - 2).items()},
        "jobs as Ray writes them": filled(real, size, b"[", b"]", b", "),
        "the same job again and again": filled(as_json(job(ASKED)), size, b"[", b"]"),
        "empty jobs": _many(b"{}", size),
        "ids that are numbers": _many(b'{"submission_id":7}', size),
        "ids that are no text": _many(b'{"submission_id":"\xff"}', size),
        "lists as ids": _many(b'{"submission_id":[]}', size),
        "no jobs": filled(b"null", size, b"[", b"]"),
    }


def _many(unit: bytes, size: int) -> bytes:
    """As many jobs as may be in a list."""
    return filled(unit, min(size, (len(unit) + 1) * bounds.MOST_OBJECTS), b"[", b"]")


def _text(unit: bytes, size: int) -> bytes:
    start = b'{"submission_id":"%b","status":"FAILED","message":"' % ASKED.encode()
    return filled(unit, size, start, b'"}', b"")


def _repeated(unit: bytes, size: int) -> bytes:
    start = b'{"submission_id":"%b","status":"RUNNING",' % ASKED.encode()
    return filled(unit, size, start, b"}")
