"""Times as Kubernetes writes them."""

from datetime import datetime


def unix_seconds(timestamp: str | None) -> float:
    """Unix seconds; 0 where there is no time. Raises ValueError for what is no time."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0
