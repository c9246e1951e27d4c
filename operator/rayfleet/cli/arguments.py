"""The commands and their options. Nothing here takes time to import: `--help` answers at once."""

import argparse
from collections.abc import Sequence
from typing import Final

from rayfleet import __version__
from rayfleet.cli.job_arguments import SUBMIT, add_context, add_job_commands, fault, is_job_kind, split

EXPLAIN: Final = "explain"
PLAN: Final = "plan"
_CLUSTERS: Final = frozenset({"raycluster", "rayclusters", "raycluster.ray.io", "rayclusters.ray.io"})

_ABOUT: Final = """\
Run jobs on Ray clusters, and see why a job or a GPU task waits.

  rayfleet submit --gpus 1 -- python train.py                run a command on a cluster of its own
  rayfleet explain rayjob/NAME                               what a job waits for
  rayfleet explain raycluster/NAME                           what a cluster's queue waits for
  rayfleet plan -f manifest.yaml --demand demand.yaml        what a cluster would do with a queue
"""
_EXPLAIN: Final = """\
Show why a RayCluster has its size: what its queue asks for, what serves it, what waits and why,
which nodes are idle and when they leave, and what happens next. For a RayJob, show where it stands,
what it waits for, what happens next, whose fault a failure was, and then the same of its cluster.

It reads the object, its pods and its events with the rights of your kubeconfig, and the queue
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
        help="why a cluster has its size, or what a job waits for",
        description=_EXPLAIN,
        formatter_class=raw,
        allow_abbrev=False,
    )
    explain.add_argument(
        "target",
        metavar="KIND/NAME",
        nargs="+",
        help="raycluster/NAME, rayjob/NAME, or just the name of a RayCluster",
    )
    add_context(explain)
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
    add_job_commands(commands)
    return root


def parse(arguments: Sequence[str], program: str) -> argparse.Namespace:
    """The parsed command line. A wrong one ends the process with code 2 and a message."""
    whole = parser(program)
    own, words = split(arguments)
    given = whole.parse_args(own)
    if given.command == EXPLAIN:
        target = _target(given.target)
        if target is None:
            whole.error(f"{' '.join(given.target)!r} is no target: write raycluster/NAME or rayjob/NAME.")
        given.of_job, given.name = target
    if given.command == SUBMIT:
        if given.words:
            whole.error(f"{given.words[0]!r} is no option of submit: write the command after --.")
        given.words = words
        if message := fault(given):
            whole.error(message)
    return given


def _target(words: Sequence[str]) -> tuple[bool, str] | None:
    """Whether it is a RayJob, and the name: for `kind/name`, `kind name`, or the name of a RayCluster."""
    kind, slash, name = words[0].rpartition("/")
    if len(words) == 2 and not slash:  # noqa: PLR2004 - kind and name
        kind, name = words
    elif len(words) > 1:
        return None
    is_cluster = kind.lower() in _CLUSTERS or not (kind or slash)
    if "/" in name or not name or not (is_cluster or is_job_kind(kind)):
        return None
    return not is_cluster, name


def _output(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "yaml"),
        default="text",
        help="the format (default: text)",
    )
