"""How a job goes on: from the recorded status and the facts to the next status."""

from rayfleet.kinds.rayjob.progress.step import step

__all__ = ["step"]
