"""The command line: `rayfleet`, which is also `kubectl rayfleet`."""
