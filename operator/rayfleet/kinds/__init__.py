"""The kinds that the operator serves, each in a folder of its own."""
