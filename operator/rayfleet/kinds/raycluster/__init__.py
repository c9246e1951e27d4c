"""RayCluster: from its spec and the pods that are there to actions and a status."""
