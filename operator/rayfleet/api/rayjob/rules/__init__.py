"""The rules that a RayJob must obey, a file per concern."""
