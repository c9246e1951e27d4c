"""Removes every trace of a bed, whole or half made, by what its record says."""

from testbed import cgroups, kind, network, paths, record
from testbed.processes import kill_all, recorded


def remove(name: str) -> None:
    """End the bed's processes and delete its files. The bed's lock must be held."""
    bed = record.load(name)
    if bed is None or not bed.booted_since:
        # Daemons first, so that nothing restarts what ends; then their containers; then what held both.
        kill_all(recorded(paths.beds() / name / "processes"))
    if bed and bed.driver == record.KIND:
        kind.delete(bed)
    if bed and not bed.booted_since:
        cgroups.remove(bed.cgroups)
        for link in bed.links:
            network.disconnect(link)
    record.forget(name)
