"""`python -m protocol`: compile the definition of Ray's messages, or check that the committed files match it.

Needs `operator` and `hack` on the path: PYTHONPATH=operator:hack python -m protocol [--check]
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

OPERATOR = Path(__file__).parents[2] / "operator"
SOURCE = Path("rayfleet/ray/gcs/protocol/ray.proto")
"""Compiled by its full path, because a process may not load two files of the same name."""


def generated() -> Mapping[Path, str]:
    """The messages and their types, by path in the package's folder."""
    from grpc_tools import protoc  # noqa: PLC0415 - it loads the compiler

    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"-I{OPERATOR}", f"--python_out={folder}", f"--pyi_out={folder}", str(SOURCE)]
        if protoc.main(["protoc", *arguments]) != 0:
            sys.exit(f"{SOURCE} cannot be compiled; the lines above say where")
        names = (SOURCE.with_name(f"{SOURCE.stem}_pb2{suffix}") for suffix in (".py", ".pyi"))
        return {name: (Path(folder) / name).read_text() for name in names}


def outdated(root: Path = OPERATOR) -> Sequence[str]:
    """The generated files under `root` that differ from the definition."""
    return [
        path.name
        for path, text in generated().items()
        if not (root / path).exists() or (root / path).read_text() != text
    ]


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if a checked file differs."""
    parser = argparse.ArgumentParser(prog="python -m protocol", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file is not up to date"
    )
    if parser.parse_args(arguments).check:
        files = outdated()
        if files:
            print(f"{', '.join(files)}: out of date with {SOURCE.name}; run `make protocol`", file=sys.stderr)
        return 1 if files else 0
    for path, text in generated().items():
        (OPERATOR / path).write_text(text)
        print(f"wrote operator/{path}")
    return 0
