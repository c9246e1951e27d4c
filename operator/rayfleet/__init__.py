"""A Kubernetes operator for elastic GPU clusters on Ray."""

__version__ = "0.1.0"
