"""The operator's behaviour on fixed input, written down in `tests/golden/`."""
