"""The operator's behaviour on fixed input, recorded in `tests/golden/`."""
