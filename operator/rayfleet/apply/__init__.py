"""Carrying out a plan: writes, and no choices."""

from rayfleet.apply.events import EventRecorder
from rayfleet.apply.execute import Executor
from rayfleet.apply.fairness import FairGate

__all__ = ["EventRecorder", "Executor", "FairGate"]
