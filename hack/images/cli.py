"""The command line: `python -m images COMMAND`."""

import argparse
import signal
import sys

from images import build, recipes
from testbed.errors import TestbedError
from testbed.progress import Progress

_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run one command; a TestbedError becomes one sentence on stderr and exit status 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except TestbedError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("images: stopped; an unfinished archive does not count", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m images",
        description="Builds the container images into docker-archives.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    make = commands.add_parser("build", help="build what has changed")
    make.add_argument(
        "names",
        nargs="*",
        metavar="IMAGE",
        help=f"of {', '.join(recipes.NAMES)}, base; all but base by default",
    )
    make.set_defaults(run=_build)
    for command, run, what in (
        ("path", _path, "the path of an image's archive, built or not"),
        ("name", _name, "the reference that a pod uses for an image"),
    ):
        query = commands.add_parser(command, help=f"print {what}")
        query.add_argument("image", metavar="IMAGE")
        query.set_defaults(run=run)
    return parser


def _build(options: argparse.Namespace) -> None:
    progress = Progress()
    for name in options.names or recipes.NAMES:
        if name == "base":
            build.ensure_base(progress)
        else:
            build.ensure(name, progress)


def _path(options: argparse.Namespace) -> None:
    print(build.archive(build.current(options.image)))


def _name(options: argparse.Namespace) -> None:
    print(build.current(options.image).reference)
