"""The command line: `python -m demo [--keep] [--from STEP]`."""

import argparse
import signal
import sys
import time

from demo import bed, rayjobs, steps
from demo.diagnosis import diagnose
from demo.errors import DemoError
from demo.narration import Narration
from demo.patience import Patience
from demo.steps import Stage
from testbed.errors import TestbedError

_INTERRUPTED = 130
_STEPS = (
    ("Install the operator with Helm", steps.install_operator),
    ("Apply the example: a head, and no worker while nothing waits", steps.create_cluster),
    ("Queue a job of nine tasks with one GPU each: three workers start, the maximum", steps.queue_job),
    ("Ask Ray what it sees", steps.show_ray_status),
    ("Kill a busy worker's container: a new pod replaces it", steps.kill_worker),
    ("Follow the job to its end, including the killed worker's task", steps.end_job),
    ("Watch the idle workers leave, ten seconds after their last task", steps.await_no_workers),
    ("Run a RayJob that fails, on this cluster: its status says whose fault it was", rayjobs.show_verdict),
    ("Delete the cluster: nothing of it is left", steps.delete_cluster),
    ("Run a RayJob with a cluster of its own: it brings its GPU workers, and leaves none", rayjobs.run_job),
)
_FIRST = 3
"""The number of the first of these steps; earlier ones build the programs and bring the Kubernetes up."""
_OF_THE_JOB = range(5, 9)
"""Steps that look at a running job, the first of which submits it."""


def begins_again(step: int) -> int:
    """Where the demo continues after `step` failed: a job that has ended must be queued again."""
    return _OF_THE_JOB.start if step in _OF_THE_JOB else step


def _number(text: str) -> int:
    number = int(text)
    if not _FIRST <= number < _FIRST + len(_STEPS):
        raise argparse.ArgumentTypeError(f"must be a step from {_FIRST} to {_FIRST + len(_STEPS) - 1}")
    return begins_again(number)


def main(arguments: list[str]) -> int:
    """Run the demo; the exit status is 0 if every step succeeded."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="A real Kubernetes, the operator, a Ray cluster whose workers come and go, two RayJobs.",
    )
    parser.add_argument("--keep", action="store_true", help="leave the Kubernetes up at the end")
    parser.add_argument(
        "--from",
        dest="first",
        type=_number,
        default=1,
        metavar="STEP",
        help="continue from this step on the running Kubernetes, without building anything",
    )
    options = parser.parse_args(arguments)
    # Even if a shell has started this in the background, with Ctrl-C ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    tell = Narration()
    try:
        _run(tell, options.first)
    except KeyboardInterrupt:
        print("\ndemo: stopped; taking everything down", file=sys.stderr)
        bed.down(tell)
        return _INTERRUPTED
    except (DemoError, TestbedError) as error:
        _report(tell, error)
        return 1
    print(f"\nThe demo took {tell.seconds:.0f} s.")
    if options.keep:
        print(bed.what_next())
    else:
        bed.down(tell)
        print("\nWhat to try next: `make demo KEEP=1` leaves the Kubernetes up to look around in.")
    return 0


def _run(tell: Narration, first: int) -> None:
    if first == 1:
        print("rayfleet on a real Kubernetes. A few minutes once everything is built.")
        with tell.step("Build missing programs and images"):
            images = bed.build()
        with tell.step("Bring up a Kubernetes: two nodes with four fake GPUs each"):
            kubectl = bed.up(images)
            tell.show(kubectl("get", "nodes"))
    else:
        images, kubectl = bed.built(), bed.kubectl()
        tell.steps = first - 1
    submission = f"gpu-tasks-{time.time():.0f}"
    stage = Stage(kubectl, bed.helm(), images.operator_reference, tell, Patience(tell.show), submission)
    for what, step in _STEPS[max(first - _FIRST, 0) :]:
        with tell.step(what):
            step(stage)


def _report(tell: Narration, error: Exception) -> None:
    print(f"\ndemo: failed at step {tell.steps}, {tell.now_doing!r}:\n{error}", file=sys.stderr)
    kubectl = bed.kubectl_if_up()
    if not kubectl:
        return
    print(f"\n{diagnose(kubectl)}", file=sys.stderr)
    if tell.steps >= _FIRST:
        again = f"`make demo FROM={begins_again(tell.steps)}` continues from there, without building anything"
    else:
        again = "`make demo` tries again, without rebuilding"
    print(f"\nThe Kubernetes is left up. {again}; `make testbed-down` removes it.", file=sys.stderr)
