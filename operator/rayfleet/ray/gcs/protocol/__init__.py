"""The messages exchanged with a Ray head. Generated from `ray.proto` by `make protocol`."""
