"""Brings up a real Kubernetes on this machine without Docker, and takes it down without a trace."""
