"""The operator as a process of a machine whose clock is wrong."""

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
    """One whose clock is so much ahead of the API server's, or behind it where that is negative."""

    def launch(trial: Trial) -> KilledProcess:
        return KilledProcess(trial, program=("-c", _PROGRAM.format(seconds=seconds)))

    return launch
