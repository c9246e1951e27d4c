"""What a RayCluster must fulfil beyond the types of its fields: one function a rule, one file a concern."""
