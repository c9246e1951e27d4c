"""JSON from the wire, whatever others have put into it. No I/O here.

Otherwise anyone who may write one object could break the lists and watches of all others.
"""

import re
from contextlib import suppress
from typing import Any

import orjson

MOST_LEVELS = 512
"""Levels kept of a value that is nested too deeply to be read: still more than a spec may have."""
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


_MANAGED_FIELDS = b',"managedFields":[{'
_END = b"}]"
_SPEC = b'"spec":{'


def decoded_object(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Decode one object or watch event like `decoded`, without the managedFields of its metadata.

    Nothing reads these, and most of the maps in a pod's JSON are theirs: decoding takes half as long without.
    They hold no lists, so the first end of a list is theirs. An unescaped quote ends a text, so no text can
    hold the first mark; one that holds the end turns all quotes after the cut inside out, which is no JSON,
    and is decoded whole. Templates, which may hold anything, come after the mark of the spec.
    """
    start = raw.find(_MANAGED_FIELDS)
    end = raw.find(_END, start) if start >= 0 else -1
    if end >= 0 and raw.find(_SPEC, 0, start) < 0:
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(raw[:start] + raw[end + len(_END) :])
    return decoded(raw)


def decoded(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """The value that `raw` holds; only what cannot be read is lost, as null or as U+FFFD.

    Raises JSONDecodeError if it is not JSON at all.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        # No ordinary object leads here, so the cost does not matter.
        return orjson.loads(_without_depths(_LONE_SURROGATE.sub(_paired, _as_utf8(raw))))


def _as_utf8(raw: bytes) -> bytes:
    return raw.decode("utf-8", "replace").encode()


def _paired(match: re.Match[bytes]) -> bytes:
    return bytes(match[1]) + bytes(match[2] or b"\\ufffd")


def _without_depths(raw: bytes) -> bytes:
    """`raw` with null in place of each object and list nested deeper than `MOST_LEVELS` levels."""
    kept: list[bytes] = []
    level = start = 0
    for token in _TOKEN.finditer(raw):
        sign = raw[token.start()]
        if sign in b"[{":
            level += 1
            if level == MOST_LEVELS + 1:
                kept.append(raw[start : token.start()])
        elif sign in b"]}":
            level -= 1
            if level == MOST_LEVELS:
                kept.append(b"null")
                start = token.end()
    return raw if not kept else b"".join((*kept, raw[start:] if level <= MOST_LEVELS else b""))
