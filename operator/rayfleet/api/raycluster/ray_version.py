"""Which version of Ray a cluster runs, according to its manifest. No other place decides this.

`rayVersion` counts. If it is missing or not a version, the tag of the image counts, provided that its name or
its tag says that it is an image of Ray: the tag of another image is the version of something else. If neither
tells, the version is unknown, and what depends on it must work with every Ray.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from rayfleet.api.raycluster.spec import RayClusterSpec

_VERSION: Final = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?(?:[.+-]?[0-9A-Za-z].*)?")
_LONGEST_IMAGE: Final = 1024
_IMAGE_OF_RAY: Final = re.compile(r"(?:.*[-_.])?ray(?:[-_.].*)?")
# "cuda12.1-ray2.9.0", as images with a name of their own are tagged.
_NAMED_IN_TAG: Final = re.compile(r"(?:^|[-_.])ray[-_]?(v?[0-9].*)")
_MAJORS: Final = range(2, 10)
"""A tag with another major number is a date, a build, or the version of something built on Ray."""


class RayVersion(NamedTuple):
    """A release of Ray; a pre-release counts as the release it precedes."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def parse_ray_version(text: str) -> RayVersion | None:
    """Parse `2.60.0`, `2.60` or `2.60.0rc1`; None if it is not a version."""
    match = _VERSION.fullmatch(text.strip())
    return RayVersion(int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def ray_version_of(spec: RayClusterSpec, template: Mapping[str, Any] | None = None) -> RayVersion | None:
    """The version of Ray of the cluster, which is the head's, or of the group with this template.

    None if the manifest does not tell. A group whose own image does not tell is assumed to have the head's
    version, as it could not join with another.
    """
    stated = parse_ray_version(spec.ray_version)
    if stated is not None:
        return stated
    own = None if template is None else _of_image(template)
    return own or _of_image(spec.head_group_spec.template)


def first_container(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container that runs Ray; empty if the template has none."""
    pod = template.get("spec")
    containers = pod.get("containers") if isinstance(pod, Mapping) else None
    first = containers[0] if isinstance(containers, list | tuple) and containers else None
    return first if isinstance(first, Mapping) else {}


def _of_image(template: Mapping[str, Any]) -> RayVersion | None:
    """The version in the tag of the Ray container's image, whatever shape the template has."""
    image = first_container(template).get("image")
    if not isinstance(image, str) or len(image) > _LONGEST_IMAGE:
        return None
    name, _, tag = image.strip().partition("@")[0].rpartition("/")[2].partition(":")
    named = _NAMED_IN_TAG.search(tag)
    if named is None and not _IMAGE_OF_RAY.fullmatch(name):
        return None
    version = parse_ray_version(named[1] if named else tag)
    return version if version is not None and version.major in _MAJORS else None
