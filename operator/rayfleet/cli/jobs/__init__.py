"""The commands about RayJobs: submit, jobs, logs, stop."""
