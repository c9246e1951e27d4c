"""Which nodes the demand fits on: existing ones, and those that groups could add."""
