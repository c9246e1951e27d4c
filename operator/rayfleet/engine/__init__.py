"""The loop: queue, reconciler, executor, reporter, and what they remember."""
