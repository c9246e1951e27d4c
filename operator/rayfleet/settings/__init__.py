"""The settings of the process: flags, and the scaling settings in a file."""
