"""The status of a RayCronJob, computed in one place from the decision and its outcomes."""
