"""The documentation pages that list the fields of a RayJob's and a RayCronJob's spec."""

from typing import Final

from crds.field_reference import FieldReference
from rayfleet.api.raycronjob import RayCronJobSpec
from rayfleet.api.rayjob import RayJobSpec

_HEAD: Final = """\
<!-- Generated from the models of the API by `make crds`. Do not edit. -->
# {kind}

The fields of `spec` in `ray.io/v1`, one table per part. Types named like Kubernetes' own, such as
PodTemplateSpec, are Kubernetes'.
"""


def rayjob_page() -> str:
    """The page of RayJob, in Markdown."""
    reference = FieldReference(RayJobSpec, elsewhere={"RayClusterSpec": "raycluster.md#spec"})
    return _HEAD.format(kind="RayJob") + reference.sections()


def raycronjob_page() -> str:
    """The page of RayCronJob, in Markdown."""
    reference = FieldReference(RayCronJobSpec, elsewhere={"RayJobSpec": "rayjob.md#spec"})
    return _HEAD.format(kind="RayCronJob") + reference.sections()
