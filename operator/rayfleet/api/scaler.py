"""Who scales a cluster: nobody, this operator, or Ray's own autoscaler beside the head."""

from typing import Final

from rayfleet.api.autoscaler_options import AutoscalerOptions
from rayfleet.api.ray_version import RayVersion, parse_ray_version, ray_version_of
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.rules.subject import Subject

FIRST_WITH_V2: Final = RayVersion(2, 47)
"""The first Ray that tells of its queue in the way that this operator asks."""

V2_ENV: Final = "RAY_enable_autoscaler_v2"
"""By which a head is told the version of Ray's autoscaler."""
ENV_TRUE: Final = frozenset({"1", "true", "True"})

SIDECAR_OPTIONS: Final = (
    "resources",
    "image",
    "image_pull_policy",
    "security_context",
    "env",
    "env_from",
    "volume_mounts",
    "command",
    "args",
)
"""The fields of `autoscalerOptions` that describe the container of Ray's own autoscaler."""


def scales_here(spec: RayClusterSpec) -> bool:
    """Whether this operator scales the cluster."""
    return spec.enable_in_tree_autoscaling and not needs_sidecar(spec)


def needs_sidecar(spec: RayClusterSpec) -> bool:
    """Whether only Ray's own autoscaler can scale the cluster as its manifest asks."""
    return bool(asks_for_sidecar(spec))


def asks_for_sidecar(spec: RayClusterSpec) -> tuple[str, ...]:
    """The paths of the fields that ask for Ray's own autoscaler; where `runtime` is set it decides alone."""
    options = spec.autoscaler_options
    if options.runtime is not None:
        return ("spec.autoscalerOptions.runtime",) if options.runtime == "Sidecar" else ()
    asks = {
        "spec.autoscalerOptions.version": options.version == "v1",
        "spec.autoscalerOptions.command": bool(options.command),
        "spec.autoscalerOptions.image": bool(options.image),
    }
    found = [path for path, asked in asks.items() if asked]
    head = Subject("", {}, {}, spec).head
    if head.env_value(V2_ENV) not in {None, *ENV_TRUE}:
        found.append(f"{head.ray_container_path}.env[{V2_ENV}]")
    version = ray_version_of(spec)
    if version is not None and version < FIRST_WITH_V2:
        stated = parse_ray_version(spec.ray_version) is not None
        found.append("spec.rayVersion" if stated else f"{head.ray_container_path}.image")
    return tuple(found)


def sidecar_options(spec: RayClusterSpec) -> tuple[str, ...]:
    """The paths of the fields that are set and describe that container."""
    fields = AutoscalerOptions.model_fields
    return tuple(
        f"spec.autoscalerOptions.{fields[name].alias}"
        for name in SIDECAR_OPTIONS
        if getattr(spec.autoscaler_options, name)
    )
