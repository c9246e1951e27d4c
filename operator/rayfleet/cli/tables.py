"""Text tables: aligned columns, and text that wraps instead of running off the screen."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from rayfleet.autoscaling.words import printable

WIDTH: Final = 100
"""The width that all output fits into, in characters."""
_GAP: Final = "  "
_LEAST: Final = 16
"""No column is made narrower than this while another is wider."""


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> str:
    """One line per row; columns in `numbers` are aligned right. Empty without rows.

    Those in `whole` are not wrapped, even if the table gets too wide: they are names, which people copy.
    """
    cells = [tuple(map(printable, row)) for row in rows]
    if not cells:
        return ""
    widths = _widths([heads, *cells], [at for at, head in enumerate(heads) if head not in whole])
    right = {at for at, head in enumerate(heads) if head in numbers}
    return "".join(_lines(row, widths, right) for row in (heads, *cells))


def sentence(text: str, *, indent: str = "") -> str:
    """One wrapped paragraph; lines after the first are indented by two more spaces."""
    return (
        textwrap.fill(
            printable(" ".join(text.split())),
            WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        )
        + "\n"
    )


def section(title: str, body: str) -> str:
    """An empty line, a title and its lines; nothing for an empty body."""
    return f"\n{title}\n{body}" if body else ""


def _widths(rows: Sequence[Sequence[str]], shrinking: Sequence[int]) -> list[int]:
    """As wide as the widest cell; then the widest of the columns that may shrink do so until all fit."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - WIDTH
    while over > 0 and shrinking and widths[widest := max(shrinking, key=widths.__getitem__)] > _LEAST:
        widths[widest] -= 1
        over -= 1
    return widths


def _lines(row: Sequence[str], widths: Sequence[int], right: set[int]) -> str:
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(row, widths, strict=True)
    ]
    lines = []
    for at in range(max(map(len, wrapped))):
        texts = [cell[at] if at < len(cell) else "" for cell in wrapped]
        lines.append(
            _GAP.join(
                text.rjust(width) if column in right else text.ljust(width)
                for column, (text, width) in enumerate(zip(texts, widths, strict=True))
            ).rstrip()
        )
    return "".join(f"{line}\n" for line in lines)
