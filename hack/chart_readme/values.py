"""The values of a chart with their defaults and comments, as `values.yaml` has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

_TITLE: Final = "## "


class UncommentedValueError(Exception):
    """A value has no comment, or stands before the first title."""


@dataclass(frozen=True)
class Value:
    """One row: a value, or a map whose parts have rows of their own and whose default is None."""

    path: str
    default: object
    comment: str


@dataclass(frozen=True)
class Section:
    """The values below one `## ` title."""

    title: str
    values: Sequence[Value]


def read_values(text: str) -> Sequence[Section]:
    """All values, by title. Raises UncommentedValueError."""
    lines = text.splitlines()
    titles = [(number, line) for number, line in enumerate(lines) if line.startswith(_TITLE)]
    sections: dict[int, list[Value]] = {number: [] for number, _ in titles}
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode), "values are a map"  # noqa: S101 - Helm requires it
    for line, value in _values(_Source(lines), root, ""):
        above = [number for number, _ in titles if number < line]
        if not above:
            raise UncommentedValueError(f"{value.path} stands before the first `## ` title")
        sections[above[-1]].append(value)
    return [Section(line.removeprefix(_TITLE), sections[number]) for number, line in titles]


@dataclass(frozen=True)
class _Source:
    lines: Sequence[str]

    def comment(self, line: int) -> str:
        """The comment right above a line, in one line."""
        found: list[str] = []
        while line > 0 and (above := self.lines[line - 1].strip()).startswith("# "):
            found.insert(0, above.removeprefix("# "))
            line -= 1
        return " ".join(found)

    def has_comments(self, node: yaml.Node) -> bool:
        """Whether a map has commented parts, so that it is no value by itself."""
        return isinstance(node, yaml.MappingNode) and any(
            self.comment(key.start_mark.line) or self.has_comments(inner) for key, inner in node.value
        )


def _values(source: _Source, node: yaml.Node, prefix: str) -> Iterator[tuple[int, Value]]:
    """The line and the row of each value."""
    for key, inner in node.value:
        path, line = f"{prefix}{key.value}", key.start_mark.line
        comment, is_map = source.comment(line), source.has_comments(inner)
        if comment:
            yield line, Value(path, None if is_map else _default(inner), comment)
        elif not is_map:
            raise UncommentedValueError(f"{path} (line {line + 1}) has no comment")
        if is_map:
            yield from _values(source, inner, f"{path}.")


def _default(node: yaml.Node) -> object:
    return yaml.safe_load(yaml.serialize(node))
