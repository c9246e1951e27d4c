"""The fields of a RayCronJob in `ray.io/v1`, their meaning and their valid values."""

from rayfleet.api.raycronjob.parsing import parse_spec
from rayfleet.api.raycronjob.spec import JobTemplateMetadata, RayCronJobSpec
from rayfleet.api.raycronjob.validation import validate

__all__ = ["JobTemplateMetadata", "RayCronJobSpec", "parse_spec", "validate"]
