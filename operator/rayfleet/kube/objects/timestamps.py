"""Times as Kubernetes writes them."""

from datetime import datetime


def unix_seconds(timestamp: str | None) -> float:
    """Unix seconds; 0 where there is no time, or one of no calendar: the API server takes the year 0."""
    try:
        return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0
    except (ValueError, OverflowError):
        return 0.0
