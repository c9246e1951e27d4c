"""The options of the commands about RayJobs. Nothing here takes time to import."""

import argparse
from collections.abc import Sequence
from typing import Final

SUBMIT: Final = "submit"
JOBS: Final = "jobs"
LOGS: Final = "logs"
STOP: Final = "stop"
_KINDS: Final = frozenset({"rayjob", "rayjobs", "rayjob.ray.io", "rayjobs.ray.io"})

_SUBMIT: Final = """\
Run a command on a Ray cluster: it makes a RayJob, shows what that waits for, then the log, and ends
with the exit code of the command.

The cluster is made for the job and deleted after it (a head, and workers that come while work waits
for them), or is that of a manifest (--from), or one that exists (--cluster). Ctrl-C asks whether to
stop the job; without a terminal it leaves the job alone. A connection that is cut is made again,
and never ends the command.

The exit code is that of the job's driver; 1 if that is unknown, or the job was stopped or cannot be
run; 130 after Ctrl-C.
"""
_JOBS: Final = """\
List RayJobs: where each stands, what Ray says of it, its cluster and GPUs, and whose fault a
failure was.
"""
_LOGS: Final = """\
Show what the driver of a RayJob has written, through a port-forward to the head of its cluster.
"""
_STOP: Final = """\
Stop a RayJob in Ray: it ends as STOPPED, and what happens to its cluster is as after any other end.
With --delete the RayJob itself goes, with its cluster.
"""


def add_job_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to those of the program."""
    _add_submit(_command(commands, SUBMIT, "run a command as a RayJob", _SUBMIT))
    listing = _command(commands, JOBS, "list RayJobs", _JOBS)
    listing.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")
    listing.add_argument(
        "-o",
        "--output",
        choices=("text", "json", "yaml", "name"),
        default="text",
        help="the format (default: text)",
    )
    logs = _command(commands, LOGS, "show the log of a RayJob", _LOGS)
    _job(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the job ends")
    logs.add_argument(
        "--tail", metavar="N", type=_count, help="only the last N lines of what is there (default: all)"
    )
    stop = _command(commands, STOP, "stop or delete a RayJob", _STOP)
    _job(stop)
    stop.add_argument("--delete", action="store_true", help="delete the RayJob with its cluster")
    stop.add_argument("--no-wait", action="store_true", help="do not wait until the job has ended")


def fault(given: argparse.Namespace) -> str:
    """Which options cannot be given together; empty if all can."""
    if given.command != SUBMIT:
        return ""
    shape = {
        "--image": given.image,
        "--gpus": given.gpus,
        "--cpus": given.cpus,
        "--memory": given.memory,
        "--workers": given.workers,
        "--min-workers": given.min_workers,
    }
    of_shape = [option for option, value in shape.items() if value is not None]
    named = [option for option, value in (("--from", given.filename), ("--cluster", given.cluster)) if value]
    if len(named) > 1 or (named and of_shape):
        several = " and ".join([*named, *of_shape])
        return f"{several} cannot be given together: each says what the cluster is."
    if given.cluster and given.keep:
        return "--keep is of no use with --cluster: that cluster stays in any case."
    if given.cluster and given.retries:
        return "--retries is not possible with --cluster: an attempt could find what the last one left there."
    if not given.words and not given.filename:
        return "there is no command to run: write it after --, as in `submit -- python train.py`."
    return ""


def split(arguments: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """The arguments of `submit`, and the words after the first `--`, which are the job's own."""
    if SUBMIT not in arguments[:1] or "--" not in arguments:
        return arguments, ()
    at = list(arguments).index("--")
    return arguments[:at], tuple(arguments[at + 1 :])


def add_context(command: argparse.ArgumentParser) -> None:
    """Which API server, and which namespace."""
    command.add_argument("-n", "--namespace", help="the namespace (default: the context's)")
    command.add_argument("--context", help="the kubeconfig context (default: the current one)")
    command.add_argument(
        "--kubeconfig", metavar="FILE", help="the kubeconfig (default: $KUBECONFIG, then ~/.kube/config)"
    )


def _add_submit(submit: argparse.ArgumentParser) -> None:
    submit.add_argument(
        "--name", type=_job_name, help="the RayJob's name (default: one made from the command)"
    )
    submit.add_argument(
        "--from", dest="filename", metavar="FILE", help="a manifest with a RayJob or RayCluster to begin with"
    )
    submit.add_argument("--cluster", metavar="NAME", help="an existing RayCluster to run on")
    submit.add_argument("--image", help="the image of all its nodes (default: that of Ray)")
    submit.add_argument("--gpus", metavar="N", type=_count, help="GPUs of each worker (default: 0)")
    submit.add_argument("--cpus", metavar="N", help="CPUs of each worker (default: 2)")
    submit.add_argument("--memory", metavar="M", help="memory of each worker (default: 8Gi)")
    submit.add_argument(
        "--workers",
        metavar="N",
        type=_count,
        help="workers at most (default: 1); with 0 the head does it all",
    )
    submit.add_argument(
        "--min-workers", metavar="N", type=_count, help="workers that do not wait for work (default: 0)"
    )
    submit.add_argument(
        "--entrypoint-num-gpus", metavar="N", type=_number, help="GPUs of the command's own process"
    )
    submit.add_argument(
        "--entrypoint-num-cpus", metavar="N", type=_number, help="CPUs of the command's own process"
    )
    submit.add_argument(
        "--runtime-env", metavar="FILE-OR-JSON", help="Ray's runtime environment: a YAML file, or a JSON map"
    )
    submit.add_argument(
        "--working-dir", metavar="DIR", help="a directory to send to the cluster, or the URI of an archive"
    )
    submit.add_argument(
        "--env",
        metavar="K=V",
        action="append",
        default=[],
        help="a variable for the job, or the name of one of this shell; it is stored in the RayJob, in clear",
    )
    submit.add_argument(
        "--retries", metavar="N", type=_count, help="new attempts after failures of the program (default: 0)"
    )
    submit.add_argument("--keep", action="store_true", help="keep the cluster after the end")
    submit.add_argument("--no-follow", action="store_true", help="print the name, and do not wait")
    submit.add_argument("--dry-run", action="store_true", help="print the RayJob, and create nothing")
    submit.add_argument("words", metavar="-- CMD", nargs="*", help="the command, after all options and --")


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    about: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_context(command)
    return command


def _job(command: argparse.ArgumentParser) -> None:
    command.add_argument("job", metavar="JOB", type=_job_name, help="the RayJob's name, or rayjob/NAME")


def is_job_kind(kind: str) -> bool:
    """Whether somebody who writes this means a RayJob."""
    return kind.lower() in _KINDS


def _job_name(given: str) -> str:
    kind, slash, name = given.rpartition("/")
    if (slash and not is_job_kind(kind)) or not name:
        raise argparse.ArgumentTypeError(f"{given!r} is not a RayJob: write its name, or rayjob/NAME.")
    return name


def _count(given: str) -> int:
    if not given.isdecimal() or len(given) > 9:  # noqa: PLR2004 - int32
        raise argparse.ArgumentTypeError(f"{given!r} is not a number: write 0 or more.")
    return int(given)


def _number(given: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1e9:  # noqa: PLR2004 - NaN and infinity are out, too
        raise argparse.ArgumentTypeError(f"{given!r} is not an amount: write 0 or more, such as 0.5.")
    return number
