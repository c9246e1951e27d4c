"""What is done about pods that end or do not start."""
