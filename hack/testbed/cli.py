"""The command line: `python -m testbed COMMAND`."""

import argparse
import os
import signal
import sys
from pathlib import Path

from testbed import beds, binaries, kind, prerequisites, record
from testbed.errors import TestbedError
from testbed.progress import Progress

_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run one command; a TestbedError becomes one sentence on stderr and exit status 1."""
    # So that an interrupted `up` takes down what it has started so far, even if a shell has started this in
    # the background, with Ctrl-C ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("testbed: stopped; everything that was being started is gone", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testbed", description="A real Kubernetes on this machine, without Docker."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="build the Kubernetes programs, once")
    build.add_argument(
        "families", nargs="*", metavar="FAMILY", help=f"of {', '.join(binaries.FAMILIES)}; all by default"
    )
    build.set_defaults(run=_build)

    up = commands.add_parser("up", help="bring a bed up")
    up.add_argument("--name", default="default")
    up.add_argument("--profile", choices=record.PROFILES, default=record.CONTROL_PLANE)
    up.add_argument("--nodes", type=int, metavar="N", help="default 2, with kwok 100")
    up.add_argument("--gpus-per-node", type=int, metavar="N", help="default 4, with kwok 8")
    up.add_argument(
        "--audit-log", action="store_true", help="log who wrote what to audit.log in the bed's folder"
    )
    up.add_argument(
        "--image",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.tar",
        help="load this image once the bed is up; repeatable",
    )
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="take a bed down, even a crashed one")
    which = down.add_mutually_exclusive_group(required=True)
    which.add_argument("--name")
    which.add_argument("--all", action="store_true")
    down.set_defaults(run=_down)

    commands.add_parser("list", help="list the beds").set_defaults(run=_list)

    load = commands.add_parser("load-image", help="import a docker archive into every node")
    load.add_argument("--name", default="default")
    load.add_argument("archive", type=Path, metavar="FILE.tar")
    load.set_defaults(run=_load_image)

    gpus = commands.add_parser(
        "unhealthy-gpus", help="mark GPUs of a node as unhealthy; none: all are healthy again"
    )
    gpus.add_argument("--name", default="default")
    gpus.add_argument("--node", required=True)
    gpus.add_argument("gpus", nargs="*", metavar="GPU", help="gpu-0, gpu-1, ...")
    gpus.set_defaults(run=_unhealthy_gpus)

    kubeconfig = commands.add_parser("kubeconfig", help="print the path of a bed's kubeconfig")
    kubeconfig.add_argument("--name", default="default")
    kubeconfig.set_defaults(run=_kubeconfig)

    environment = commands.add_parser("env", help="print shell commands that make kubectl and helm use a bed")
    environment.add_argument("--name", default="default")
    environment.set_defaults(run=_env)

    binary = commands.add_parser("bin", help="print the path of a program, built if necessary")
    binary.add_argument("binary", metavar="NAME")
    binary.set_defaults(run=_bin)

    needed = commands.add_parser("prerequisites", help="name the Debian packages that are missing")
    needed.add_argument("--install", action="store_true", help="install them, as root")
    needed.set_defaults(run=_prerequisites)
    return parser


def _build(options: argparse.Namespace) -> None:
    unknown = [family for family in options.families if family not in binaries.FAMILIES]
    if unknown:
        raise TestbedError(f"there is no family {unknown[0]!r}: give some of {', '.join(binaries.FAMILIES)}")
    if options.families or not kind.answers():
        # kind is built only where it is used: with a Docker engine.
        families = options.families or [family for family in binaries.FAMILIES if family != "kind"]
        wanted = [binary for family in families for binary in binaries.FAMILIES[family].packages]
    else:
        wanted = [*binaries.BESIDE_DOCKER, "helm", "probe"]
    binaries.ensure(wanted, Progress())


def _up(options: argparse.Namespace) -> None:
    progress = Progress()
    given = beds.given_kubeconfig()
    if given:
        print(f"KUBECONFIG is set: using that cluster as it is, {given}; nothing is started")
        return
    usual = record.PROFILES[options.profile]
    wanted = record.Wanted(
        options.name,
        options.profile,
        usual.nodes if options.nodes is None else options.nodes,
        usual.gpus_per_node if options.gpus_per_node is None else options.gpus_per_node,
        audit_log=options.audit_log,
    )
    print(f"test bed {options.name}, profile {options.profile}")
    with progress.step("up in total"):
        bed = beds.up(wanted, progress)
        for archive in options.image:
            _import(bed, archive, progress)
    print(f"use it with:\n{beds.usage(bed)}\ntake it down with:\nmake testbed-down BED={bed.name}")


def _load_image(options: argparse.Namespace) -> None:
    _import(beds.find(options.name), options.archive, Progress())


def _import(bed: record.Bed, archive: Path, progress: Progress) -> None:
    with progress.step(f"imported {archive.name} into every node"):
        beds.load_image(bed, archive)


def _unhealthy_gpus(options: argparse.Namespace) -> None:
    beds.set_unhealthy_gpus(beds.find(options.name), options.node, options.gpus)


def _down(options: argparse.Namespace) -> None:
    for name in record.names() if options.all else [options.name]:
        beds.down(name, Progress())


def _list(_: argparse.Namespace) -> None:
    for name in record.names():
        bed = record.load(name)
        if bed:
            print(f"{name:<30} {bed.wanted.profile:<14} {beds.state(bed):<9} {bed.kubeconfig}")
        else:
            print(f"{name:<30} {'-':<14} {'broken':<9} -")


def _kubeconfig(options: argparse.Namespace) -> None:
    print(beds.given_kubeconfig() or beds.find(options.name).kubeconfig)


def _env(options: argparse.Namespace) -> None:
    binaries.ensure(["kubectl", "helm"], Progress(quiet=True))
    print(beds.environment(beds.find(options.name)))


def _bin(options: argparse.Namespace) -> None:
    binaries.ensure([options.binary], Progress(quiet=not sys.stderr.isatty()))
    print(Path(binaries.path(options.binary)))


def _prerequisites(options: argparse.Namespace) -> int:
    # A Docker engine has all that nodes and images need, and its packages may conflict with Debian's.
    by_docker = kind.answers()
    packages = prerequisites.CONTROL_PLANE if by_docker else prerequisites.NODE + prerequisites.IMAGES
    needed = packages + prerequisites.METRICS
    lacking = prerequisites.missing(needed)
    if not lacking:
        print("all prerequisites are installed")
        return 0
    print(f"missing packages; install with:\n{prerequisites.install_line(lacking)}")
    if not options.install:
        return 1
    if os.geteuid() == 0:
        print("installing them (about 30 s)")
        prerequisites.install(lacking)
    return 0  # without root, the commands that need the packages say so
