"""What a job depends on outside the API server."""
