"""`python -m golden`: record what the operator does on fixed input, or check that it still does the same.

Needs `operator` and `hack` on the path: PYTHONPATH=operator:hack python -m golden [--check]
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from golden import draws, shapes
from golden.files import (
    DRAWS,
    FOLDER,
    changed_draws,
    changed_manifests,
    line_of,
    manifest_files,
    text_of,
)
from golden.kubelet import Json

_NAMED: Final = 6
_REMEDY: Final = (
    "To see what differs, run `python -m golden dump DIR` in both commits, then `diff -r`; for one draw:"
    " `python -m golden show NAME`. If all of it is intended, run `make golden`, and give the reason in a"
    " decision record."
)


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 on success, 1 if the operator does something other than recorded."""
    options = _parser().parse_args(arguments)
    match options.command:
        case "show":
            print(text_of(list(_in_full(options.name))), end="")
        case "dump":
            _dump(options.folder)
        case "shapes":
            shapes.write()
        case _ if options.check:
            return _check()
        case _:
            _write()
    return 0


def _check() -> int:
    names = draws.names()
    changed = {**changed_manifests(), **changed_draws(names, _lines(names))}
    for line in differences(changed):
        print(line, file=sys.stderr)
    return 1 if changed else 0


def differences(changed: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What differs, one line per aspect."""
    by_aspect: dict[str, list[str]] = defaultdict(list)
    for name, aspects in changed.items():
        for aspect in aspects:
            by_aspect[aspect].append(name)
    for aspect, names in by_aspect.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{aspect}: differs from tests/golden in {', '.join(names[:_NAMED])}{more}"
    if changed:
        yield _REMEDY


def _write() -> None:
    folder = FOLDER / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.yaml"):
        file.unlink()
    for name, account in manifest_files():
        (folder / name).write_text(text_of(account))
    (FOLDER / DRAWS).write_text("".join(f"{line}\n" for line in _lines(draws.names())))


def _lines(names: Sequence[str]) -> list[str]:
    with ProcessPoolExecutor() as pool:
        return list(pool.map(line_of, names, chunksize=40))


def _dump(folder: Path) -> None:
    (folder / "draws").mkdir(parents=True, exist_ok=True)
    for name, account in manifest_files():
        (folder / name).write_text(text_of(account))
    with ProcessPoolExecutor() as pool:
        for name, text in zip(draws.names(), pool.map(_text, draws.names(), chunksize=40), strict=True):
            (folder / "draws" / f"{name}.yaml").write_text(text)


def _text(name: str) -> str:
    return text_of(list(_in_full(name)))


def _in_full(name: str) -> Iterator[Json]:
    """Every pass of one draw in full."""
    for drawn in draws.passes(name):
        yield {"happened": drawn.happened, "outcomes": drawn.outcomes, **drawn.aspects}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything differs")
    commands = parser.add_subparsers(dest="command")
    show = commands.add_parser("show", help="one draw in full")
    show.add_argument("name", choices=draws.names(), metavar="NAME", help="such as elastic-0012")
    dump = commands.add_parser("dump", help="all manifests and draws in full, for comparison with diff")
    dump.add_argument("folder", type=Path, metavar="DIR")
    commands.add_parser("shapes", help="draw the specs of every shape again (needs tests on the path)")
    return parser
