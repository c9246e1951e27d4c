"""Who scales a cluster: nobody, this operator, or Ray's own autoscaler next to the head."""

from collections.abc import Mapping
from typing import Final

from rayfleet.api.raycluster.autoscaler_options import AutoscalerOptions
from rayfleet.api.raycluster.ray_version import RayVersion, first_container, parse_ray_version, ray_version_of
from rayfleet.api.raycluster.spec import RayClusterSpec

FIRST_WITH_V2: Final = RayVersion(2, 47)
"""The first Ray that reports its queue over the API that this operator uses."""

V2_ENV: Final = "RAY_enable_autoscaler_v2"
"""Tells a head the version of Ray's autoscaler."""
ENV_TRUE: Final = frozenset({"1", "true", "True"})

_HEAD: Final = "spec.headGroupSpec.template.spec.containers[0]"

SIDECAR_OPTIONS: Final = {
    name: f"spec.autoscalerOptions.{AutoscalerOptions.model_fields[name].alias}"
    for name in (
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
}
"""The fields that describe the container of Ray's own autoscaler, with their paths."""


def scales_here(spec: RayClusterSpec) -> bool:
    """Whether this operator scales the cluster."""
    return spec.enable_in_tree_autoscaling and not needs_sidecar(spec)


def needs_sidecar(spec: RayClusterSpec) -> bool:
    """Whether only Ray's own autoscaler can scale the cluster as its manifest asks."""
    return bool(asks_for_sidecar(spec))


def asks_for_sidecar(spec: RayClusterSpec) -> tuple[str, ...]:
    """The paths of the fields that ask for Ray's own autoscaler; if `runtime` is set, it alone decides."""
    options = spec.autoscaler_options
    if options.runtime is not None:
        return ("spec.autoscalerOptions.runtime",) if options.runtime == "Sidecar" else ()
    paths = ["spec.autoscalerOptions.version"] if options.version == "v1" else []
    paths += [SIDECAR_OPTIONS[name] for name in ("command", "image") if getattr(options, name)]
    if _head_is_set_to_v1(spec):
        paths.append(f"{_HEAD}.env[{V2_ENV}]")
    version = ray_version_of(spec)
    if version is not None and version < FIRST_WITH_V2:
        stated = parse_ray_version(spec.ray_version) is not None
        paths.append("spec.rayVersion" if stated else f"{_HEAD}.image")
    return tuple(paths)


def _head_is_set_to_v1(spec: RayClusterSpec) -> bool:
    env = first_container(spec.head_group_spec.template).get("env")
    values = [
        entry.get("value")
        for entry in (env if isinstance(env, list | tuple) else ())
        if isinstance(entry, Mapping) and entry.get("name") == V2_ENV
    ]
    return bool(values) and isinstance(values[-1], str) and values[-1] not in ENV_TRUE


def sidecar_options(spec: RayClusterSpec) -> tuple[str, ...]:
    """The paths of the fields that are set and describe the container of Ray's own autoscaler."""
    options = spec.autoscaler_options
    if options.model_fields_set.isdisjoint(SIDECAR_OPTIONS):
        return ()
    return tuple(path for name, path in SIDECAR_OPTIONS.items() if getattr(options, name))
