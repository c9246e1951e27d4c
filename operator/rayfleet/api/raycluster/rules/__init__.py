"""Rules for a RayCluster beyond the types of its fields: one function per rule, one file per concern."""
