"""The reference page of the metrics, from their definitions in the operator."""
