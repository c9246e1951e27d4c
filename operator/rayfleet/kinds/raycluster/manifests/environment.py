"""Environment of the Ray container and of init containers."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rayfleet.api.names import START_COMMAND, Label
from rayfleet.kinds.raycluster.manifests.pod_template import Json, items, mapping, text


def ray_environment(
    container: Mapping[str, Any],
    *,
    ray_start: str,
    gcs_host: str,
    port: str,
    auth: Sequence[Json] = (),
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> list[Json]:
    """The environment of a Ray container: our variables around the user's.

    `auth` and `defaults` are further variables; the user's own win over both.

    Ours come first, so that the user's variables may refer to them; the start command comes last, because it
    may refer to the user's.
    """
    facts = [
        _from_field("RAY_CLUSTER_NAME", f"metadata.labels['{Label.CLUSTER}']"),
        _from_field("RAY_CLUSTER_NAMESPACE", "metadata.namespace"),
        # These two link a Ray node to its pod's name and group.
        _from_field("RAY_CLOUD_INSTANCE_ID", "metadata.name"),
        _from_field("RAY_NODE_TYPE_NAME", f"metadata.labels['{Label.GROUP}']"),
    ]
    defaults = {
        **defaults,
        "RAY_PORT": port,
        "RAY_ADDRESS": f"{gcs_host}:{port}",
        "RAY_USAGE_STATS_KUBERAY_IN_USE": "1",
        "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE": "1",
    }
    start = {"name": START_COMMAND, "value": ray_start}
    theirs = items(container.get("env"))
    named = {_name(variable) for variable in theirs}
    forced = {start["name"], *(fact["name"] for fact in facts)}
    return [
        *facts,
        *(variable for variable in auth if variable["name"] not in named),
        *({"name": name, "value": value} for name, value in defaults.items() if name not in named),
        *(variable for variable in theirs if _name(variable) not in forced),
        start,
    ]


def with_head_address(container: Mapping[str, Any], head: str) -> Json:
    """The container with the head's host name in its environment; `RAY_IP` is the old, short form."""
    ours = {"FQ_RAY_IP": head, "RAY_IP": head.partition(".")[0]}
    theirs = [variable for variable in items(container.get("env")) if _name(variable) not in ours]
    return {**container, "env": [*({"name": name, "value": value} for name, value in ours.items()), *theirs]}


def _from_field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _name(variable: object) -> str:
    return text(mapping(variable).get("name"))
