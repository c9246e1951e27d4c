"""Which Ray a cluster runs, by its manifest: the one place that says so.

`rayVersion` decides. Where it is missing or is no version, the tag of the image does, if it is an image of
Ray by its name or its tag: the tag of another image is the version of something else. Where neither says
anything the version is not known, and what depends on it must work with every Ray.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from rayfleet.api.raycluster.spec import RayClusterSpec

_VERSION: Final = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?(?:[.+-]?[0-9A-Za-z].*)?")
_LONGEST_IMAGE: Final = 1024
_IMAGE_OF_RAY: Final = re.compile(r"(?:.*[-_.])?ray(?:[-_.].*)?")
# "cuda12.1-ray2.9.0", as images of an own name are tagged.
_NAMED_IN_TAG: Final = re.compile(r"(?:^|[-_.])ray[-_]?(v?[0-9].*)")
_MAJORS: Final = range(2, 10)
"""A tag that begins with another number is a date, a build, or the version of what was built on Ray."""


class RayVersion(NamedTuple):
    """A release of Ray; a pre-release counts as the release it precedes."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def parse_ray_version(text: str) -> RayVersion | None:
    """`2.60.0`, `2.60` or `2.60.0rc1` as a value; None for what is not a version."""
    match = _VERSION.fullmatch(text.strip())
    return RayVersion(int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def ray_version_of(spec: RayClusterSpec, template: Mapping[str, Any] | None = None) -> RayVersion | None:
    """The Ray of the cluster, which is its head's, or of the group with this template.

    None where the manifest does not tell. A group whose own image does not tell is taken to have the head's
    Ray: one of another version could not join.
    """
    stated = parse_ray_version(spec.ray_version)
    if stated is not None:
        return stated
    own = None if template is None else _of_image(template)
    return own or _of_image(spec.head_group_spec.template)


def first_container(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container that runs Ray; an empty one where the template has none."""
    pod = template.get("spec")
    containers = pod.get("containers") if isinstance(pod, Mapping) else None
    first = containers[0] if isinstance(containers, list | tuple) and containers else None
    return first if isinstance(first, Mapping) else {}


def _of_image(template: Mapping[str, Any]) -> RayVersion | None:
    """By the tag of the Ray container's image, whatever shape the template has."""
    image = first_container(template).get("image")
    if not isinstance(image, str) or len(image) > _LONGEST_IMAGE:
        return None
    name, _, tag = image.strip().partition("@")[0].rpartition("/")[2].partition(":")
    named = _NAMED_IN_TAG.search(tag)
    if named is None and not _IMAGE_OF_RAY.fullmatch(name):
        return None
    found = parse_ray_version(named[1] if named else tag)
    return found if found is not None and found.major in _MAJORS else None
