"""The command line: `python -m demo [--keep]`."""

import argparse
import signal
import sys

from demo import bed, steps
from demo.diagnosis import diagnose
from demo.errors import DemoError
from demo.narration import Narration
from demo.steps import Stage
from testbed.errors import TestbedError

_INTERRUPTED = 130
_STEPS = (
    ("Install the operator with Helm", steps.install_operator),
    ("Apply the example: a head, and no worker while nothing waits", steps.create_cluster),
    ("Queue a job of nine tasks that need a GPU each: three workers come, as max allows", steps.queue_job),
    ("Ask Ray what it sees", steps.show_ray_status),
    ("Kill a busy worker's container: another takes its place", steps.kill_worker),
    ("See the job through, the killed worker's task included", steps.end_job),
    ("Watch the idle workers leave, ten seconds after their last task", steps.await_no_workers),
    ("Delete the cluster: nothing of it is left", steps.delete_cluster),
)


def main(arguments: list[str]) -> int:
    """Run the demo; the exit status is 0 when every step came true."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="A real Kubernetes, the operator, and a Ray cluster whose GPU workers come and go.",
    )
    parser.add_argument("--keep", action="store_true", help="leave the Kubernetes up at the end")
    keep = parser.parse_args(arguments).keep
    # Also where a shell has started this in the background, with Ctrl-C ignored.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    tell = Narration()
    try:
        _run(tell)
    except KeyboardInterrupt:
        print("\ndemo: stopped; taking down what is up", file=sys.stderr)
        bed.down(tell)
        return _INTERRUPTED
    except (DemoError, TestbedError) as error:
        _report(tell, error)
        if keep:
            print("\nThe Kubernetes is left up: `make testbed-down` removes it.", file=sys.stderr)
        else:
            bed.down(tell)
        return 1
    print(f"\nAll of it took {tell.seconds:.0f} s.")
    if keep:
        print(bed.what_next())
    else:
        bed.down(tell)
        print("\nWhat to try next: `make demo KEEP=1` leaves the Kubernetes up to look around in.")
    return 0


def _run(tell: Narration) -> None:
    print("rayfleet on a real Kubernetes. Under 3 minutes once everything is built.")
    with tell.step("Build what is missing: programs and images"):
        images = bed.build()
    with tell.step("Bring up a Kubernetes: two nodes with four GPUs each (counted, not real)"):
        kubectl = bed.up(images)
        tell.show(kubectl("get", "nodes"))
    stage = Stage(kubectl, bed.helm(), images.operator_reference, tell)
    for what, step in _STEPS:
        with tell.step(what):
            step(stage)


def _report(tell: Narration, error: Exception) -> None:
    print(f"\ndemo: failed at step {tell.steps}, {tell.now_doing!r}:\n{error}", file=sys.stderr)
    kubectl = bed.kubectl_if_up()
    if kubectl:
        print(f"\n{diagnose(kubectl)}", file=sys.stderr)
