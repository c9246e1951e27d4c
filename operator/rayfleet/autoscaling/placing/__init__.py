"""Which nodes the demand fits on: those that are there, and those that groups could add."""
