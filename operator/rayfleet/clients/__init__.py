"""Clients of the services that the operator talks to."""
