"""The reference page of the command line, from its own parser."""
