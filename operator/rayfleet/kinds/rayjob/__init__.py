"""RayJob: a cluster for one job, the job's submission to it, and what becomes of both."""
