"""A stream of bytes is split into lines, however its chunks are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfleet.kube.client.lines import LineSplitter, LineTooLongError


@given(
    st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line)),
    st.lists(st.integers(min_value=1, max_value=9), min_size=1),
)
def test_lines_are_reassembled(lines: list[bytes], cuts: list[int]) -> None:
    """Chunks may end anywhere."""
    stream, splitter, found = b"".join(line + b"\n" for line in lines), LineSplitter(), []
    while stream:
        for cut in cuts:
            found += splitter.feed(stream[:cut])
            stream = stream[cut:]

    assert found == lines


def test_empty_lines_are_dropped() -> None:
    """Some servers send them as a sign of life."""
    assert LineSplitter().feed(b"\n\na\n\n") == [b"a"]


def test_an_unfinished_line_is_kept_back() -> None:
    splitter = LineSplitter()

    assert (splitter.feed(b"a\nb"), splitter.feed(b"c"), splitter.feed(b"\n")) == ([b"a"], [], [b"bc"])


def test_a_line_without_an_end_is_dropped() -> None:
    """It would fill the memory."""
    splitter = LineSplitter(longest=10)
    splitter.feed(b"12345678")

    with pytest.raises(LineTooLongError):
        splitter.feed(b"90123")
