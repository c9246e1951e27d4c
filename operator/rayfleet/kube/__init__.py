"""Kubernetes: its objects, trimmed; a client of the API server; the cache, the informer and Leases."""
