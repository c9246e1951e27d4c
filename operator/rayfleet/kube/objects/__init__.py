"""Kubernetes objects as the operator keeps them: frozen values, trimmed to what it reads."""
