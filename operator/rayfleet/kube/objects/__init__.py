"""Objects of Kubernetes as the operator keeps them: frozen values, trimmed to what is looked at."""
