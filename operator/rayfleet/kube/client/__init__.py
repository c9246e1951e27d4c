"""The client of the API server, and what its answers mean."""
