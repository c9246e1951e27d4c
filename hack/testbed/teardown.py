"""Removes every trace of a bed, whole or half made, by what its record says."""

from testbed import paths, record
from testbed.processes import kill_all, recorded


def remove(name: str) -> None:
    """End the bed's processes and delete its files. The bed's lock must be held."""
    bed = record.load(name)
    if bed is None or not bed.booted_since:
        kill_all(recorded(paths.beds() / name / "processes"))
    record.forget(name)
