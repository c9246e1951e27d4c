"""The `ray start` command of a node, and the container command that runs it."""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.api.raycluster import HeadGroupSpec, WorkerGroupSpec
from rayfleet.api.raycluster.start_params import ray_environment_of, shell_value
from rayfleet.kinds.raycluster.manifests import ports
from rayfleet.kinds.raycluster.manifests.pod_template import Json, items, mapping, ray_container
from rayfleet.kinds.raycluster.manifests.resources import (
    flags_from_container,
    flags_from_group,
    requested_resources,
    resources_of_flags,
)
from rayfleet.ray.state import Resources

# Flags that take "true" and "false" as values; any other flag is present or absent.
_WITH_BOOLEAN_VALUE: Final = frozenset({"log-color", "include-dashboard", "include-log-monitor"})
_OPEN_FILES: Final = "ulimit -n ${RAY_START_ULIMIT_OPEN_FILES:-65536}"


def head_params(group: HeadGroupSpec, *, scaled: bool = False) -> dict[str, str]:
    """All flags of the head's `ray start --head`; a cluster that we scale does not run Ray's monitor."""
    params = _params(group, {"dashboard-host": "0.0.0.0"})  # noqa: S104 - inside the pod's own network
    return params | ({"no-monitor": "true"} if scaled else {})


def worker_params(group: WorkerGroupSpec, gcs_address: str) -> dict[str, str]:
    """All flags of a worker's `ray start`; `gcs_address` is the head's `host:port`."""
    return _params(group, {"address": gcs_address})


def _params(group: HeadGroupSpec | WorkerGroupSpec, defaults: Mapping[str, str]) -> dict[str, str]:
    params = {
        **defaults,
        "metrics-export-port": str(ports.METRICS),
        "dashboard-agent-listen-port": str(ports.DASHBOARD_AGENT),
        **group.ray_start_params,
        **flags_from_group(group.resources),
        # Without this the container would end as soon as Ray's processes are up.
        "block": "true",
    }
    if group.labels:
        params["labels"] = ",".join(f"{key}={value}" for key, value in sorted(group.labels.items()))
    pod = mapping(group.template.get("spec"))
    return params | flags_from_container(ray_container(group.template), params, pod)


def head_resources(group: HeadGroupSpec) -> Resources:
    """Logical resources of the head's Ray node."""
    return node_resources(group, head_params(group))


def node_resources(
    group: HeadGroupSpec | WorkerGroupSpec, params: Mapping[str, str], learned: Resources = ()
) -> Resources:
    """The flags' values, else those of the group's running nodes, else the container's requests."""
    pod = mapping(group.template.get("spec"))
    requested = requested_resources(ray_container(group.template), pod, params)
    given = dict(resources_of_flags(params, ray_environment_of(group)))
    return tuple(sorted((dict(requested) | dict(learned) | given).items()))


def ray_start_command(params: Mapping[str, str], *, head: bool) -> str:
    """`ray start` with its flags in order. Values are shell words of the user and stay as they are."""
    words = ["ray start --head" if head else "ray start"]
    for flag, given in sorted(params.items()):
        value = shell_value(flag, given)
        switch = value.strip("'\"").lower()
        if switch not in {"true", "false"} or flag in _WITH_BOOLEAN_VALUE:
            words.append(f"--{flag}={value}")
        elif switch == "true":
            words.append(f"--{flag}")
    return " ".join(words)


def container_command(container: Mapping[str, Any], ray_start: str) -> Json:
    """`command` and `args` that run the user's command first, then Ray; empty if theirs starts Ray."""
    own = " ".join(str(word) for field in ("command", "args") for word in items(container.get(field)))
    if "ray start" in own:
        return {}
    run = f"{_OPEN_FILES}; {ray_start}"
    # bash replaces itself with the last command, so a SIGTERM to the container reaches Ray.
    return {"command": ["/bin/bash", "-c", "--"], "args": [f"{own} && {run}" if own else run]}
