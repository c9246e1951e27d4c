"""Kubernetes: its objects trimmed, its API server's client, the cache, the informer and Leases."""
