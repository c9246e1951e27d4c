"""The API that users write, `ray.io/v1`: its models and rules, a folder for each kind."""
