"""The operator as a process on a machine with a wrong clock."""

from support.faults.killed_process import KilledProcess
from support.faults.trial import Launch, Trial

_PROGRAM = """
import sys, time
right = time.time
time.time = lambda: right() + {seconds}
from rayfleet.main import main
sys.exit(main())
"""


def off_by(seconds: float) -> Launch:
    """An operator whose clock is ahead of the API server's by this much; behind it if negative."""

    def launch(trial: Trial) -> KilledProcess:
        return KilledProcess(trial, program=("-c", _PROGRAM.format(seconds=seconds)))

    return launch
