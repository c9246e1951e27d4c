"""What becomes of pods that end or do not come."""
