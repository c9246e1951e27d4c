"""RayCluster: from its spec and its pods to actions and a status."""
