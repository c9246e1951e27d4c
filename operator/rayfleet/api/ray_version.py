"""What a manifest says about its Ray: `rayVersion` decides, as the image cannot be asked."""

import re
from typing import Final, NamedTuple

_VERSION: Final = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?(?:[.+-]?[0-9A-Za-z].*)?")


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
