"""Parses the JSON of a RayCronJob's spec into its model, or into violations."""

from rayfleet.api.parsing import parse_as
from rayfleet.api.raycronjob.spec import RayCronJobSpec
from rayfleet.api.violation import Violation


def parse_spec(spec: object) -> RayCronJobSpec | tuple[Violation, ...]:
    """The model of `spec`, or every field whose type is wrong. Does not raise for any JSON value."""
    return parse_as(RayCronJobSpec, spec)
