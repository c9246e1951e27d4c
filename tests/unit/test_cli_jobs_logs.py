"""A driver's log on the way to the terminal: frames, pieces, lines."""

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfleet.cli.jobs.frames import (
    LARGEST_FRAME,
    LARGEST_HEAD,
    Frame,
    FrameError,
    Frames,
    Opcode,
    agreed,
    frame_bytes,
    handshake,
)
from rayfleet.cli.jobs.log_answer import LogAnswer, NotALogError
from rayfleet.cli.jobs.log_text import LONGEST_LINE, LogText

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PROOF = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455."""
SWITCHED = f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {PROOF}\r\n\r\n".encode()


def frame(payload: bytes, opcode: int = Opcode.TEXT) -> bytes:
    """A frame as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 1 << 16:
        return bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big") + payload
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + payload


def pieces(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_frames_are_whole_however_their_bytes_come(size: int) -> None:
    sent = [b"", b"a", b"b" * 126, b"c" * 70_000]
    frames = Frames()
    whole = b"".join(map(frame, sent))
    found = [one for piece in pieces(whole, size) for one in frames.feed(piece)]
    assert found == [Frame(Opcode.TEXT, payload) for payload in sent]


def test_a_frame_is_not_read_beyond_its_bound() -> None:
    """Its length is refused before any of its bytes has come."""
    head = bytes([0x81, 127]) + (LARGEST_FRAME + 1).to_bytes(8, "big")
    with pytest.raises(FrameError, match=f"at most {LARGEST_FRAME} are read"):
        list(Frames().feed(head))


@pytest.mark.parametrize("head", [b"\xc1\x00", b"\x81\x80"])
def test_a_frame_with_an_extension_or_a_mask_is_refused(head: bytes) -> None:
    with pytest.raises(FrameError):
        list(Frames().feed(head))


def test_a_client_masks_its_frames() -> None:
    """As the protocol asks; a server that reads the mask gets the payload."""
    sent = frame_bytes(Opcode.PONG, b"x")
    assert (sent[0], sent[1], sent[6:]) == (0x8A, 0x81, b"x")


def test_a_handshake_is_a_request_with_the_token() -> None:
    sent = handshake("/api/jobs/a/logs/tail", KEY, {"x-ray-authorization": "Bearer t"}).decode()
    assert sent.startswith("GET /api/jobs/a/logs/tail HTTP/1.1\r\n")
    assert f"Sec-WebSocket-Key: {KEY}\r\n" in sent
    assert "x-ray-authorization: Bearer t\r\n" in sent
    assert sent.endswith("\r\n\r\n")


def test_a_handshake_is_agreed_on_by_its_proof() -> None:
    assert agreed(SWITCHED[:-1], KEY) is None
    assert agreed(SWITCHED + b"rest", KEY) == (101, b"rest")
    with pytest.raises(FrameError, match="another request"):
        agreed(SWITCHED, "another key")


def test_another_answer_to_a_handshake_is_told_by_its_status() -> None:
    """It is not followed anywhere."""
    assert agreed(b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n", KEY) == (302, b"")
    assert agreed(b"HTTP/1.1 404 Not Found\r\n\r\nno such job", KEY) == (404, b"no such job")


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 ok\r\n\r\n", b"x" * (LARGEST_HEAD + 1)])
def test_what_is_not_http_is_refused(said: bytes) -> None:
    with pytest.raises(FrameError):
        agreed(said, KEY)


@settings(max_examples=60)
@given(st.text(max_size=60), st.integers(1, 40), st.booleans())
def test_a_log_in_an_answer_is_the_same_in_pieces(text: str, size: int, ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    """Also if a piece ends within an escape, or between the halves of a character."""
    answer = LogAnswer()
    raw = json.dumps({"logs": text}, ensure_ascii=ascii_only).encode()
    assert "".join(map(answer.feed, pieces(raw, size))) == text
    assert answer.whole


@pytest.mark.parametrize(
    "raw", [b"<html>", b"[]", b'{"log": "', b'{"logs": 3}', b'{"logs": "\\x000000000000', b" " * 2000]
)
def test_an_answer_that_is_no_log_is_refused(raw: bytes) -> None:
    with pytest.raises(NotALogError):
        LogAnswer().feed(raw)


def test_half_a_character_alone_is_no_error() -> None:
    """JSON can hold it; it is not shown."""
    answer = LogAnswer()
    assert LogText().feed(answer.feed(b'{"logs": "a\\ud83dx\\n"}')) == ["ax"]


def test_lines_are_shown_when_they_are_complete() -> None:
    text = LogText()
    assert text.feed("one\ntw") == ["one"]
    assert text.feed("o\n\nthr") == ["two", ""]
    assert text.end() == ["thr"]
    assert text.end() == []


def test_a_log_that_is_read_again_goes_on_where_it_was() -> None:
    """After a cut the head sends it from its start; the half of a line that had come is not lost."""
    text = LogText()
    assert text.feed("one\ntw") == ["one"]
    text.again()
    assert text.feed("on") == []
    text.again()
    assert text.feed("one\ntwo\nthree\n") == ["two", "three"]


def test_what_was_shown_before_is_passed_over() -> None:
    assert LogText(skip=4).feed("one\ntwo\n") == ["two"]


@given(st.text(alphabet="ab\r\n\x1b[2J\u202e", max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_what_is_shown_does_not_depend_on_the_pieces(whole: str, cuts: list[int]) -> None:
    """A line end of two characters may be cut between them."""
    ends = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    text = LogText()
    shown = [line for a, b in itertools.pairwise(ends) for line in text.feed(whole[a:b])]
    at_once = LogText()
    assert shown + text.end() == at_once.feed(whole) + at_once.end()


HOSTILE = [
    ("\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m", "]0;titlered"),
    ("a\x08\x08b\x7f\x9b31m", "ab31m"),
    ("\u202eevil\u2066", "evil"),
    ("tab\there", "tab\there"),
    ("grüß 你好 🙂", "grüß 你好 🙂"),
]


@pytest.mark.parametrize(("line", "shown"), HOSTILE)
def test_nothing_is_shown_that_a_terminal_obeys(line: str, shown: str) -> None:
    assert LogText().feed(f"{line}\n") == [shown]
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown) is None


def test_a_progress_bar_is_shown_as_lines() -> None:
    """It overwrites its line; so could a program that hides what it has done."""
    text = LogText()
    assert text.feed(" 10%\r 20%\r") == [" 10%"]
    assert text.feed("\n30%") == [" 20%"]


def test_a_line_without_end_is_shown_in_parts() -> None:
    """What is held of it is bounded."""
    shown = LogText().feed("x" * (2 * LONGEST_LINE + 1))
    assert [len(line) for line in shown] == [LONGEST_LINE, LONGEST_LINE]
