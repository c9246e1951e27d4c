"""Checks of the repository itself, and the test tiers with their budgets."""
