"""What the chart makes of sets of values, recorded in tests/golden/chart."""
