"""One name stands for one thing in the whole package."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "operator" / "rayfleet"


def _classes() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                yield node.name, path.relative_to(PACKAGE)


def test_no_two_classes_have_the_same_name() -> None:
    """That holds for public and private classes of all modules."""
    places: dict[str, list[str]] = {}
    for name, path in _classes():
        places.setdefault(name, []).append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
