"""GPU counts, as ceilings use them."""

from msgspec import Struct


class GpuUsage(Struct, frozen=True):
    """GPUs of pods that exist or are about to be created. Whole GPUs; a fraction counts as one."""

    own: int = 0
    """Of the cluster itself, as last recorded, or the most within the last minute if that is more."""
    namespace: int = 0
    """Of the other clusters in the namespace."""
    total: int = 0
    """Of all other clusters."""
    new_in_namespace: int = 0
    """Added within the last minute by all clusters in the namespace."""
    new_in_total: int = 0
    complete: bool = True
    """Whether every cluster has been counted, which takes a moment after a start."""
    complete_in_namespace: bool = True
    renewed_in: float | None = None
    """Seconds until the oldest of those added within the last minute no longer counts."""
