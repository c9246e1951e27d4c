"""The fields of a protobuf message, one by one, before any of it is unpacked. No I/O here.

Two bytes can stand for an empty message of a hundred, so untrusted input is counted first.
"""

from collections.abc import Iterator
from typing import Final

from rayfleet.ray.gcs.bounds import TooMuch, Unbelievable

MOST_FIELDS: Final = 20_000
"""In one message."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT: Final = 70
_MASK: Final = (1 << 64) - 1


def fields_of(raw: bytes, what: str) -> Iterator[tuple[int, bytes | int]]:  # noqa: C901 - one loop, for speed
    """(number, content) of each field whose content is bytes or an integer (0 to 2^64 - 1).

    Raises `Unbelievable` if `raw` is not a message, and `TooMuch` if it has too many fields.
    """
    at, end, left = 0, len(raw), MOST_FIELDS
    try:
        while at < end:
            left -= 1
            if left < 0:
                raise TooMuch(f"a {what} has more than {MOST_FIELDS} parts, which is the most read")
            tag = raw[at]
            at += 1
            if tag > 0x7F:  # noqa: PLR2004 - the bit that says that there is more
                tag, at = _varint(raw, at - 1)
            kind = tag & 7
            if kind == _BYTES:
                size = raw[at]
                at += 1
                if size > 0x7F:  # noqa: PLR2004 - as above
                    size, at = _varint(raw, at - 1)
                start, at = at, at + size
                if at > end:
                    break
                yield tag >> 3, raw[start:at]
            elif kind == _VARINT:
                number, at = _varint(raw, at)
                yield tag >> 3, number & _MASK
            elif kind == _FIXED64:
                at += 8
            elif kind == _FIXED32:
                at += 4
            else:
                raise Unbelievable(f"not a {what}: a field of kind {kind}")
    except IndexError:
        at = end + 1
    if at > end:
        raise Unbelievable(f"not a {what}: it ends too early")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and where the next field starts."""
    value, shift = 0, 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte <= 0x7F:  # noqa: PLR2004 - as above
            return value, at
        shift += 7
        if shift >= _LONGEST_VARINT:
            raise Unbelievable("a number of more than ten bytes")
