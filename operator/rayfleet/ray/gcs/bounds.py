"""How much of a Ray head's answer is read. No I/O here.

A head runs its user's code. What it says becomes objects many times its size, and every decision walks over
them, so each dimension has its bound, and all that is counted together has one as well.
"""

from typing import Final

LARGEST_ANSWER: Final = 4 << 20
"""Bytes: the state of over 5,000 nodes."""
LARGEST_ENTRY: Final = 256 << 10
"""Bytes of one node or one request: what is unpacked in one piece."""
MOST_LISTED: Final = 10_000
"""Nodes, actors or jobs that are asked for."""
MOST_NODES: Final = 4_000
"""Dead ones are among them, of which Ray lists a thousand at most."""
MOST_SHAPES: Final = 4_000
"""Requests that differ, of tasks and of `request_resources`."""
MOST_GANGS: Final = 2_000
MOST_BUNDLES: Final = 10_000
"""Of all placement groups together."""
MOST_CHOICES: Final = 16
"""Ways to have one placement group."""
MOST_CONSTRAINTS: Final = 100
"""Lists of `request_resources`."""
MOST_RESOURCES: Final = 64
"""That one request asks for."""
MOST_ALTERNATIVES: Final = 16
"""Label selectors of one request."""
MOST_CONDITIONS: Final = 32
"""On labels, in one selector."""
MOST_VALUES: Final = 256
"""That one condition allows or rules out."""
MOST_NODE_RESOURCES: Final = 1_000
"""Of one node: the bundles of placement groups on it are resources as well."""
MOST_LABELS: Final = 256
"""Of one node."""
MOST_ACTIVITIES: Final = 64
"""Of one node."""
LONGEST_NAME: Final = 512
"""Characters of a resource's name, of a label's key or value, of a session, and of words."""
MOST_NAMES: Final = 256
"""Resources that all requests together name: each node is looked at by all of them."""
MOST_KEYS: Final = 64
"""Labels that all requests together select by, for the same reason."""
MOST_PARTS: Final = 100_000
"""Amounts, labels, requests, conditions, values and words, all counted together."""

BYTES_OF_A_PART: Final = 80
"""What a part takes once it is read, its text aside."""
BYTES_OF_TEXT: Final = 4
"""What a byte of an answer takes at most once it is text."""


class Unbelievable(ValueError):  # noqa: N818 - it says of an answer what it is
    """An answer that cannot be understood, or cannot be true; its words say why."""


class TooMuch(Unbelievable):
    """An answer that holds more than is read; its words say of what."""


def bounded(number: int, most: int, what: str) -> int:
    """`number`, where it is at most `most`. Raises `TooMuch`."""
    if number > most:
        raise TooMuch(f"{number} {what}, at most {most} are read")
    return number


def named(name: str) -> str:
    """`name`, where it is not too long. Raises `TooMuch`."""
    if len(name) > LONGEST_NAME:
        raise TooMuch(
            f"the name {name[:20]!r}... has {len(name)} characters, at most {LONGEST_NAME} are read"
        )
    return name


class Parts:
    """Counts what one answer consists of."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, parts: int) -> None:
        """Raises `TooMuch` when they are too many."""
        self.count += parts
        if self.count > MOST_PARTS:
            raise TooMuch(f"more than the {MOST_PARTS} amounts, labels and requests that are read")
