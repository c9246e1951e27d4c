"""What waits for resources: tasks and actors by shape, gangs, and their localities."""
