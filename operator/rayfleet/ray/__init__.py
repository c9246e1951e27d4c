"""Ray: the state of a cluster as its head reports it, and how the head is polled."""
