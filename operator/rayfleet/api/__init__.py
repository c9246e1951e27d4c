"""What users write: the API of `ray.io/v1`, its models and rules, a folder for each kind."""
