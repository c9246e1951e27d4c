"""Ray: the state of a cluster as its head gives it, and how the head is asked."""
