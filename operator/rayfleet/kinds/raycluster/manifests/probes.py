"""Liveness and readiness of the Ray container."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rayfleet.api.names import NodeType
from rayfleet.api.raycluster import RayVersion
from rayfleet.api.raycluster.start_params import FALSE
from rayfleet.kinds.raycluster.manifests import ports
from rayfleet.kinds.raycluster.manifests.pod_template import Json

_ONE_HEALTH_PAGE: Final = RayVersion(2, 53)
"""The first Ray whose agent answers for the raylet, and on the head for the GCS, in one page."""

_RAYLET_PAGE: Final = "api/local_raylet_healthz"
# The two pages that it combines still exist, so every Ray version answers them; but an httpGet probe can ask
# only one. bash asks both itself, so the image needs no wget or curl, at a tenth of their cost.
_ASK_PAGES: Final = """\
for page; do
  exec 3<>"/dev/tcp/localhost/${page%%/*}" || exit 1
  printf 'GET /%s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' "${page#*/}" >&3
  IFS= read -rd '' answer <&3
  [[ $answer == *success* ]] || exit 1
done
"""


def probes(node_type: str, known: Mapping[str, str], ray_version: RayVersion | None) -> dict[str, Json]:
    """Both probes, by field; `known` holds the flags whose values are known."""
    head = node_type == NodeType.HEAD
    check = _check(head=head, params=known, ray_version=ray_version)
    timing = {"timeoutSeconds": 5 if head else 2, "periodSeconds": 5, "successThreshold": 1}
    return {
        "livenessProbe": {**check, **timing, "initialDelaySeconds": 30, "failureThreshold": 120},
        "readinessProbe": {**check, **timing, "initialDelaySeconds": 10, "failureThreshold": 10},
    }


def serving_readiness(params: Mapping[str, str], serve_port: int) -> Json:
    """Readiness of a Serve worker: its own proxy must answer, and one missed answer stops its requests.

    A worker without a replica has no proxy, so it is never ready, although its Ray node is.
    """
    pages = [f"{_agent_port(params)}/{_RAYLET_PAGE}", f"{serve_port}/-/healthz"]
    return {
        **_pages_check(pages),
        "timeoutSeconds": 2,
        "periodSeconds": 5,
        "successThreshold": 1,
        "initialDelaySeconds": 10,
        "failureThreshold": 1,
    }


def _check(*, head: bool, params: Mapping[str, str], ray_version: RayVersion | None) -> Json:
    agent = _agent_port(params)
    # An unknown version gets the probe that every Ray answers: a pod without the page would be killed.
    if ray_version is not None and ray_version >= _ONE_HEALTH_PAGE:
        return {"httpGet": {"path": "/api/healthz", "port": agent}}
    pages = [f"{agent}/{_RAYLET_PAGE}"]
    if head and params.get("include-dashboard", "").lower() not in FALSE:
        pages.append(f"{ports.port(params, 'dashboard-port', ports.DASHBOARD)}/api/gcs_healthz")
    return _pages_check(pages)


def _agent_port(params: Mapping[str, str]) -> int:
    return ports.port(params, "dashboard-agent-listen-port", ports.DASHBOARD_AGENT)


def _pages_check(pages: Sequence[str]) -> Json:
    return {"exec": {"command": ["/bin/bash", "-c", _ASK_PAGES, "healthz", *pages]}}


def missing_probes(container: Mapping[str, Any], generated: Mapping[str, Json]) -> dict[str, Json]:
    """The generated probes that the user has not set."""
    return {field: probe for field, probe in generated.items() if not container.get(field)}
