"""Turns what has been placed into the size of each group: growing, shrinking, rates, idleness."""
