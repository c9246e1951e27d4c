"""Who scales a cluster: nobody, this operator, or Ray's own autoscaler beside the head."""

from typing import Final

from rayfleet.api.ray_version import RayVersion, ray_version_of
from rayfleet.api.raycluster import RayClusterSpec

FIRST_WITH_V2: Final = RayVersion(2, 47)
"""The first Ray that tells of its queue in the way that this operator asks."""


def scales_here(spec: RayClusterSpec) -> bool:
    """Whether this operator scales the cluster."""
    return spec.enable_in_tree_autoscaling and not needs_sidecar(spec)


def needs_sidecar(spec: RayClusterSpec) -> bool:
    """Whether only Ray's own autoscaler can scale the cluster as its manifest asks."""
    options = spec.autoscaler_options
    if options.runtime is not None:
        return options.runtime == "Sidecar"
    version = ray_version_of(spec)
    old = version is not None and version < FIRST_WITH_V2
    return bool(old or options.version == "v1" or options.command or options.image)
