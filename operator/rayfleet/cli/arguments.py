"""The commands and their options. Nothing here takes time to import: `--help` answers at once."""

import argparse
from collections.abc import Sequence
from typing import Final

from rayfleet import __version__

EXPLAIN: Final = "explain"
PLAN: Final = "plan"
_KINDS: Final = frozenset({"raycluster", "rayclusters", "raycluster.ray.io", "rayclusters.ray.io"})

_ABOUT: Final = """\
Why is my GPU task waiting, and what would a cluster do with this queue?

  rayfleet explain raycluster/NAME                           for a running cluster
  rayfleet plan -f manifest.yaml --demand demand.yaml        without a cluster
"""
_EXPLAIN: Final = """\
Show what a RayCluster's queue asks for, what serves it, what waits and why, which nodes are idle
and when they leave, and what happens next.

It reads the RayCluster, its pods and its events with the rights of your kubeconfig, and the queue
through a port-forward to the head pod. Without the right to a port-forward it shows what the
operator recorded in the status, and says so.
"""
_PLAN: Final = """\
Show what the operator would start and stop for a queue, group by group: the operator's own
decision, made from two files and without a cluster. docs/explain.md describes the queue file.
"""
EXIT_CODES: Final = "Exit codes: 0 success; 1 not found, or cannot be done; 2 wrong command line."


def parser(program: str = "rayfleet") -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    raw = argparse.RawDescriptionHelpFormatter
    root = argparse.ArgumentParser(
        prog=program, description=_ABOUT, epilog=EXIT_CODES, formatter_class=raw, allow_abbrev=False
    )
    root.add_argument("--version", action="version", version=f"rayfleet {__version__}")
    commands = root.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    explain = commands.add_parser(
        EXPLAIN,
        help="why a cluster has its size",
        description=_EXPLAIN,
        formatter_class=raw,
        allow_abbrev=False,
    )
    explain.add_argument(
        "cluster", metavar="raycluster/NAME", type=_name, help="the RayCluster, or just its name"
    )
    explain.add_argument("-n", "--namespace", help="its namespace (default: the context's)")
    explain.add_argument("--context", help="the kubeconfig context (default: the current one)")
    explain.add_argument(
        "--kubeconfig", metavar="FILE", help="the kubeconfig (default: $KUBECONFIG, then ~/.kube/config)"
    )
    explain.add_argument(
        "--no-port-forward", action="store_true", help="do not ask the head; show what the operator recorded"
    )
    _output(explain)
    plan = commands.add_parser(
        PLAN,
        help="what the operator would do for a queue",
        description=_PLAN,
        formatter_class=raw,
        allow_abbrev=False,
    )
    plan.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        required=True,
        help="the manifest with the RayCluster; - reads standard input",
    )
    plan.add_argument("--demand", metavar="FILE", required=True, help="the file with the queue")
    plan.add_argument("--cluster", metavar="NAME", help="which RayCluster, if the manifest has several")
    _output(plan)
    return root


def parse(arguments: Sequence[str], program: str) -> argparse.Namespace:
    """The parsed command line. A wrong one ends the process with code 2 and a message."""
    return parser(program).parse_args(arguments)


def _name(given: str) -> str:
    kind, slash, name = given.rpartition("/")
    if (slash and kind.lower() not in _KINDS) or not name:
        raise argparse.ArgumentTypeError(
            f"{given!r} is not a RayCluster: write raycluster/NAME, or just its name."
        )
    return name


def _output(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "yaml"),
        default="text",
        help="the format (default: text)",
    )
