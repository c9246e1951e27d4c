"""Measures an operator of the RayCluster API on a real control plane with fake nodes."""
