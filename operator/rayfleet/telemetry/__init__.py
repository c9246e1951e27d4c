"""What the process says of itself: logs, health, metrics."""
