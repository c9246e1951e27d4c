"""From what has been placed to the size of each group: growing, shrinking, rates, idleness."""
