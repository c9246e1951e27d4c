"""Shows the operator at work on a real Kubernetes: `make demo`."""
