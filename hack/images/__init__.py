"""Builds the container images into archives that a container runtime can import, without a registry."""
