"""The reconcile loop: queue, reconciler, executor, reporter, and their memory between passes."""
