"""Timestamps of Kubernetes objects."""

from datetime import datetime


def unix_seconds(timestamp: str | None) -> float:
    """Unix seconds; 0 for no time, or an impossible one: the API server accepts the year 0."""
    try:
        return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0
    except (ValueError, OverflowError):
        return 0.0
