"""The generator of the CRDs, the chart's copies of them and the field reference; see cli.py."""
