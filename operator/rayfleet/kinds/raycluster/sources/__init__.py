"""External sources of a cluster's state: its head, tokens, metrics."""
