"""The sizes of the scenarios."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """A full run, or a quick one for CI."""

    create_clusters: int
    create_workers: int
    grow_clusters: int
    grow_workers: int
    big_workers: int
    replacements: int
    fleet: int
    """Clusters of (1 + 3) at rest."""
    steady_after: float
    """Seconds after a change until a fleet's cost is measured."""
    quiet_seconds: float
    queue_seconds: float
    """How long a fleet that follows empty queues is measured."""
    hostile_queues: int
    """How many of the hard queues are used as answers."""
    raw_trial_pods: int
    """Pods with which the raw client's best concurrency is found."""


FULL = Sizes(300, 3, 50, 40, 1000, 50, 1000, 10.0, 300.0, 60.0, 20, 600)
QUICK = Sizes(60, 3, 10, 20, 200, 15, 100, 5.0, 10.0, 10.0, 2, 150)
FLEET_WORKERS = 3
