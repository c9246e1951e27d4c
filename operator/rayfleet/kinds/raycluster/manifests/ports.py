"""The ports that a Ray node listens on, as its `rayStartParams` set them."""

from collections.abc import Mapping
from typing import Any, Final

from rayfleet.api.raycluster import HeadGroupSpec
from rayfleet.api.raycluster.start_params import known_params, ray_environment_of, whole_number
from rayfleet.kinds.raycluster.manifests.pod_template import objects, ray_container

GCS: Final = 6379
CLIENT: Final = 10001
DASHBOARD: Final = 8265
DASHBOARD_AGENT: Final = 52365
METRICS: Final = 8080
SERVE: Final = 8000

_HIGHEST: Final = 65535


def port(known: Mapping[str, str], flag: str, default: int) -> int:
    """The number that `flag` sets, or `default`.

    `known` holds the flags whose values are known before the pod runs.
    """
    number = whole_number(known.get(flag, "")) or 0
    return number if 0 < number <= _HIGHEST else default


def gcs_port(head: HeadGroupSpec) -> str:
    """The GCS port as text; a value that is known only when the head runs stays as it is, and is refused."""
    params = head.ray_start_params
    number = port(known_params(params, ray_environment_of(head)), "port", 0)
    return str(number or params.get("port", "").strip().strip("'\"") or GCS)


def dashboard_port(head: HeadGroupSpec) -> int:
    """The port of the dashboard: the flag's if it is known, else the container port named `dashboard`."""
    known = known_params(head.ray_start_params, ray_environment_of(head))
    declared = _declared(ray_container(head.template), "dashboard")
    return port(known, "dashboard-port", declared or DASHBOARD)


def serve_port(container: Mapping[str, Any]) -> int:
    """The port of Ray Serve's proxy: the container port named `serve`, or the default."""
    return _declared(container, "serve") or SERVE


def _declared(container: Mapping[str, Any], name: str) -> int | None:
    for declared in objects(container.get("ports")):
        number = declared.get("containerPort")
        if declared.get("name") == name and isinstance(number, int) and 0 < number <= _HIGHEST:
            return number
    return None
