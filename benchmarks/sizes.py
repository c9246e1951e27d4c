"""How large the scenarios are."""

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
    """Clusters of (1 + 3) that are just there."""
    steady_after: float
    """Seconds after a change until what a fleet takes is measured."""
    quiet_seconds: float
    queue_seconds: float
    """So long is a fleet looked at that follows queues in which nothing waits."""
    hostile_queues: int
    """So many of the queues that are hard to look through are answered with."""
    raw_trial_pods: int
    """Pods by which the raw client's best concurrency is found."""


FULL = Sizes(300, 3, 50, 40, 1000, 50, 1000, 10.0, 300.0, 60.0, 20, 600)
QUICK = Sizes(60, 3, 10, 20, 200, 15, 100, 5.0, 10.0, 10.0, 2, 150)
FLEET_WORKERS = 3
