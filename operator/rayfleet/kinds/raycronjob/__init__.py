"""RayCronJob: RayJobs on a schedule."""
