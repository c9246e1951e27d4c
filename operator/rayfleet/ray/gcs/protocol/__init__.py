"""The messages that go to and come from a Ray head. Generated from `ray.proto` by `make protocol`."""
