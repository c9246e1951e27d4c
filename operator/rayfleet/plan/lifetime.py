"""How long a pod that ended at once is left before it is replaced."""

from rayfleet.snapshot import Pod

SHORTEST_LIFE = 10.0
"""Seconds. A pod that ends sooner is replaced this long after its creation, so that one that cannot
start at all costs one pod every ten seconds and not as many as the API server will take."""


def settles_in(pod: Pod, now: float) -> float:
    """Seconds until an ended pod may be replaced; 0 or less: now."""
    return pod.created + SHORTEST_LIFE - now
