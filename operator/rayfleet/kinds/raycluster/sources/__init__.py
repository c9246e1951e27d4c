"""What is asked of others for a cluster: its head, tokens, metrics."""
