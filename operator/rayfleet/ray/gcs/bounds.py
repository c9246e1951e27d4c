"""How much of a Ray head's answer is read. No I/O here.

A head runs its users' code. What it sends becomes objects many times its size, and every decision walks over
them, so each dimension has a bound, and so has the total of all parts.
"""

from typing import Final

LARGEST_ANSWER: Final = 4 << 20
"""Bytes: the state of over 5,000 nodes."""
LARGEST_ENTRY: Final = 256 << 10
"""Bytes of one node or one request, which is unpacked in one piece."""
MOST_LISTED: Final = 10_000
"""Nodes, actors or jobs in one list."""
MOST_NODES: Final = 4_000
"""Includes dead nodes, of which Ray lists a thousand at most."""
MOST_SHAPES: Final = 4_000
"""Distinct requests, by tasks and by `request_resources`."""
MOST_GANGS: Final = 2_000
MOST_BUNDLES: Final = 10_000
"""In all placement groups together."""
MOST_CHOICES: Final = 16
"""Alternatives for one placement group."""
MOST_CONSTRAINTS: Final = 100
"""Lists of `request_resources`."""
MOST_RESOURCES: Final = 64
"""In one request."""
MOST_ALTERNATIVES: Final = 16
"""Label selectors in one request."""
MOST_CONDITIONS: Final = 32
"""Label conditions in one selector."""
MOST_VALUES: Final = 256
"""Values in one condition."""
MOST_NODE_RESOURCES: Final = 1_000
"""On one node: the bundles of placement groups on it are resources as well."""
MOST_LABELS: Final = 256
"""On one node."""
MOST_ACTIVITIES: Final = 64
"""On one node."""
LONGEST_NAME: Final = 512
"""Characters of a resource's name, a label's key or value, a session, or a text."""
MOST_NAMES: Final = 256
"""Resources named by all requests together: each node is checked against all of them."""
MOST_KEYS: Final = 64
"""Labels that all requests together select by; same reason."""
MOST_PARTS: Final = 100_000
"""Amounts, labels, requests, conditions, values and texts, all counted together."""

BYTES_OF_A_PART: Final = 80
"""Memory of a part once it is read, without its text."""
BYTES_OF_TEXT: Final = 4
"""Memory of a byte of an answer, at most, once it is text."""


class Unbelievable(ValueError):  # noqa: N818 - it says of an answer what it is
    """An answer that cannot be understood, or cannot be true; the message says why."""


class TooMuch(Unbelievable):
    """An answer that holds more than is read; the message says of what."""


def bounded(number: int, most: int, what: str) -> int:
    """Return `number` if it is at most `most`, else raise `TooMuch`."""
    if number > most:
        raise TooMuch(f"it has {number} {what}, and at most {most} are read")
    return number


def named(name: str) -> str:
    """Return `name` if it is not too long, else raise `TooMuch`."""
    if len(name) > LONGEST_NAME:
        raise TooMuch(
            f"the name {name[:20]!r}... has {len(name)} characters, and at most {LONGEST_NAME} are read"
        )
    return name


class Parts:
    """Counts the parts of one answer."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, parts: int) -> None:
        """Count `parts` more; raises `TooMuch` if there are too many."""
        self.count += parts
        if self.count > MOST_PARTS:
            raise TooMuch(
                f"it has more than {MOST_PARTS} amounts, labels and requests, which is the most read"
            )
