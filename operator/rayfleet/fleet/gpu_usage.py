"""GPUs of pods, as ceilings count them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """GPUs of pods, there or about to be created, for ceilings of cost. Whole ones; a part counts as one."""

    own: int = 0
    """Of the cluster itself, as last noted, or as it had within the last minute, if that was more."""
    namespace: int = 0
    """Of the other clusters of the namespace."""
    total: int = 0
    """Of all other clusters."""
    new_in_namespace: int = 0
    """Added within the last minute, by all clusters of the namespace."""
    new_in_total: int = 0
    complete: bool = True
    """Whether every cluster has been counted: after a start that takes a moment."""
    complete_in_namespace: bool = True
    renewed_in: float | None = None
    """Seconds until the oldest of those added within a minute counts no more."""
