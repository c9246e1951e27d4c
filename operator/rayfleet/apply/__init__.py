"""Carrying out a plan: writes, and no choices."""

from rayfleet.apply.events import EventRecorder, loop_time
from rayfleet.apply.execute import Executor
from rayfleet.apply.fairness import FairGate

__all__ = ["EventRecorder", "Executor", "FairGate", "loop_time"]
