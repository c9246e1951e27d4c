"""Parses the JSON of a RayCluster's spec into its model, or into violations."""

from rayfleet.api.parsing import parse_as
from rayfleet.api.raycluster.spec import RayClusterSpec
from rayfleet.api.violation import Violation


def parse_spec(spec: object) -> RayClusterSpec | tuple[Violation, ...]:
    """The model of `spec`, or every field whose type is wrong. Does not raise for any JSON value."""
    return parse_as(RayClusterSpec, spec)
