"""The command line: `python -m benchmarks run|table`."""

import argparse
import json
import shlex
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import bed as beds
from benchmarks import result as results
from benchmarks import table
from benchmarks.audit import AuditLog
from benchmarks.bars import judge
from benchmarks.client import RefusedError
from benchmarks.environment import operator_python
from benchmarks.lab import RAW, SAMPLE, Lab
from benchmarks.raw_rate import find_best_concurrency
from benchmarks.scenarios import SCENARIOS
from benchmarks.sizes import FULL, QUICK
from benchmarks.waiting import TooLongError
from benchmarks.watch import Watch
from testbed.errors import TestbedError
from testbed.progress import Progress

INTERRUPTED = 130
OURS = (
    "-m rayfleet --kubeconfig {kubeconfig} --lease-namespace rayfleet"
    " --health-host 127.0.0.1 --health-port 0 --metrics-port 0"
)


def main(arguments: list[str]) -> int:
    """Measure and judge, or show a result; 1 if a bar is missed."""
    # So that a stopped run takes down what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    return int(options.run(options) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="measure an operator and compare it with the bars")
    run.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, times shown and not judged: for CI, about 4 minutes",
    )
    run.add_argument(
        "--only",
        nargs="+",
        choices=SCENARIOS,
        default=list(SCENARIOS),
        metavar="SCENARIO",
        help=f"of {', '.join(SCENARIOS)}",
    )
    run.add_argument(
        "--operator-command",
        metavar="COMMAND",
        help="another operator of this API; {kubeconfig} in it is replaced, and KUBECONFIG is set",
    )
    run.add_argument("--output", type=Path, metavar="FILE", help="where the result goes, as JSON")
    run.set_defaults(run=_run)
    show = commands.add_parser("table", help="the tables of a result")
    show.add_argument("file", type=Path)
    show.set_defaults(run=_table)
    return parser


def _table(options: argparse.Namespace) -> None:
    print(table.report(json.loads(options.file.read_text())))


def _run(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    file = options.output or _usual_file(options)
    try:
        result = uvloop.run(_measure(options, file))
    except KeyboardInterrupt:
        print("benchmarks: stopped; nothing is left but the figures so far", file=sys.stderr)
        return INTERRUPTED
    except (TestbedError, RefusedError, TooLongError, RuntimeError) as error:
        notes = getattr(error, "__notes__", [])
        print(f"benchmarks: {'; '.join([str(error), *notes])}", file=sys.stderr)
        return 1
    missed = [verdict for verdict in judge(result["scenarios"], quick=options.quick) if not verdict.holds]
    print(f"\n{table.report(results.rounded(result))}\n")
    print(f"{len(missed)} bars missed; took {time.monotonic() - begun:.0f} s; result in {file or 'no file'}")
    return 1 if missed else 0


def _usual_file(options: argparse.Namespace) -> Path | None:
    """Only a full run of our own operator is kept."""
    if options.quick or options.operator_command or len(options.only) < len(SCENARIOS):
        return None
    return results.RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"


async def _measure(options: argparse.Namespace, file: Path | None) -> dict[str, Any]:
    progress = Progress()
    command, python = options.operator_command, "python"
    if command is None:
        python = str(operator_python(progress))
        command = f"{shlex.quote(python)} {OURS}"
    sizes = QUICK if options.quick else FULL
    result = results.new(command.replace(python, "python"), sizes, quick=options.quick)
    with beds.running_bed(progress) as bed:
        client = beds.admin(bed)
        try:
            beds.install_chart(bed)
            access = await beds.access(bed, client, anything=options.operator_command is not None)
            with progress.step("the API server knows RayClusters"):
                await beds.await_admission(access)
            watch = Watch(client)
            audit = AuditLog(bed.folder / "audit.log", access.user)
            lab = Lab(bed, client, watch, access, audit, command, sizes, progress.say)
            await _prepare(lab, options.only, result, progress)
            for name in [name for name in SCENARIOS if name in options.only]:
                await _run_scenario(lab, name, result, progress)
                if file:
                    results.save(result, file)  # What has been measured is kept, whatever comes.
            await watch.stop()
        finally:
            await client.close()
    return result


async def _prepare(lab: Lab, names: list[str], result: dict[str, Any], progress: Progress) -> None:
    beds.kubeconfig(lab.access, lab.kubeconfig)
    for where in (SAMPLE, RAW):
        await lab.namespace(where.namespace)
    await lab.watch.start()
    if any(SCENARIOS[name].needs_raw for name in names):
        progress.say("  the raw client's best concurrency")
        async with lab.operator():
            pass  # It has made the pods that the raw client posts.
        result["raw_pods_per_s"] = await find_best_concurrency(lab)


async def _run_scenario(lab: Lab, name: str, result: dict[str, Any], progress: Progress) -> None:
    title = SCENARIOS[name].title.format(**result["sizes"])
    progress.say(f"  {title}")
    with progress.step("  took"):
        loop_ms = results.loop_ms()
        figures = await SCENARIOS[name].run(lab)
    result["scenarios"][name] = {"title": title, "loop_ms": loop_ms, **figures}
    for verdict in judge({name: figures}, quick=result["quick"]):
        progress.say(f"    {verdict.bar.figure}: {table.number(verdict.measured)}")
