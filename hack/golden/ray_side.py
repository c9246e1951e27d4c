"""The Ray of one cluster: its nodes and its queue, as in the GCS's answer to GetClusterResourceState."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from golden.kubelet import Json

Amounts: TypeAlias = Mapping[str, float]

RUNNING, DEAD, IDLE, DRAINING = 1, 2, 3, 4
"""Node states, by their numbers in Ray's protocol."""
_GIB: Final = 1 << 30
_UNITS: Final = {"Gi": _GIB, "Mi": 1 << 20, "m": 0.001, "": 1}


@dataclass
class Node:
    """One Ray node."""

    pod: str
    group: str
    total: Amounts
    labels: Mapping[str, str]
    origin: str
    """Distinguishes it from other nodes of the same pod."""
    status: int = RUNNING
    free: float = 0.0
    """Its unused share while it runs."""
    idle_since: float | None = None
    death: str = "UNKNOWN"
    """Why it is dead, as Ray records it."""

    @property
    def node_id(self) -> bytes:
        return hashlib.sha224(f"{self.pod} {self.origin}".encode()).digest()


@dataclass
class RaySide:
    """What a head knows. It drains a node on request, unless the node is busy."""

    session: str = "session-1"
    version: int = 1
    nodes: dict[str, Node] = field(default_factory=dict)
    """By the pod's name."""
    tasks: list[Json] = field(default_factory=list)
    gangs: list[Json] = field(default_factory=list)
    constraints: list[Json] = field(default_factory=list)

    def join(self, pod: Json, groups: Iterable[Json], now: float, *, again: bool = False) -> None:
        """A running pod's Ray joins; if its node is dead, only if it joins `again`."""
        metadata = pod["metadata"]
        name, group = metadata["name"], metadata["labels"].get("ray.io/group", "")
        spec = next((one for one in groups if one.get("groupName") == group), {})
        total = {**amounts_of(spec), f"node:10.0.0.{len(self.nodes)}": 1.0}
        labels = {
            "ray.io/node-group": group,
            **{str(k): str(v) for k, v in (spec.get("labels") or {}).items()},
        }
        known = self.nodes.get(name)
        if known is None or (again and known.status == DEAD):
            origin = f"{self.session} {now}"
            self.nodes[name] = Node(name, group, total, labels, origin, IDLE, 1.0, now)

    def restart(self) -> None:
        """The head restarts and knows nothing."""
        self.session = f"session-{int(self.session.rpartition('-')[2]) + 1}"
        self.nodes, self.tasks, self.gangs, self.constraints = {}, [], [], []

    def drain(self, pod: str, *, busy: bool) -> Json:
        """The outcome of a DrainNode; the node may have become busy meanwhile."""
        node = self.nodes.get(pod)
        if node is not None and busy and node.status == IDLE:
            node.status = RUNNING
        if node is None or node.status == DEAD:
            return {}
        if node.status == RUNNING:
            return {"refusal": "The node to drain is not idle."}
        node.status, node.death, node.idle_since = DEAD, "DRAIN_IDLE", None
        return {}

    def answer(self, now: float, pods: Iterable[str], *, without: Sequence[str] = ()) -> Json:
        """The reply, without the nodes `without`, and why the dead nodes of `pods` are dead."""
        self.version += 1
        there = set(pods)
        listed = [node for name, node in self.nodes.items() if name not in without]
        state = {
            "clusterSessionName": self.session,
            "clusterResourceStateVersion": str(self.version),
            "nodeStates": [_state(node, now) for node in listed],
            "pendingResourceRequests": self.tasks,
            "pendingGangResourceRequests": self.gangs,
            "clusterResourceConstraints": self.constraints,
        }
        dead = [node for node in listed if node.status == DEAD and node.pod in there]
        deaths = {node.node_id.hex(): node.death for node in dead}
        return {"reply": {"clusterResourceState": state}, "deaths": deaths}


def amounts_of(group: Mapping[str, Any]) -> Amounts:
    """What a node of a group has, as its container and `resources` say; roughly what Ray would find."""
    spec = (group.get("template") or {}).get("spec") or {}
    containers = spec.get("containers") or [{}]
    asked = containers[0].get("resources") or {}
    listed = {**(asked.get("requests") or {}), **(asked.get("limits") or {})}
    found: dict[str, float] = {"object_store_memory": float(_GIB), "CPU": 2.0}
    for name, amount in listed.items():
        ray_name = {"cpu": "CPU", "memory": "memory", "google.com/tpu": "TPU"}.get(name)
        ray_name = ray_name or ("GPU" if name.startswith("nvidia.com/") else "")
        if ray_name:
            found[ray_name] = _number(str(amount))
    return {**found, **amounts(group.get("resources") or {})}


def amounts(written: Mapping[str, Any]) -> Amounts:
    """Amounts of Ray's resources as a user writes them."""
    names = {"cpu": "CPU", "gpu": "GPU"}
    return {names.get(name.lower(), name): _number(str(of)) for name, of in written.items()}


def demand(resources: Amounts, count: int = 1, *selectors: Sequence[Json]) -> Json:
    """Equal tasks that wait; `selectors` are alternatives, each a list of conditions."""
    return {"request": request(resources, *selectors), "count": str(count)}


def request(resources: Amounts, *selectors: Sequence[Json]) -> Json:
    """One task or bundle."""
    alternatives = [{"labelConstraints": list(one)} for one in selectors]
    return {"resourcesBundle": dict(resources), "labelSelectors": alternatives}


def gang(name: str, strategy: str, *choices: Sequence[Json], locality: Json | None = None) -> Json:
    """A placement group; each of `choices` is the bundles of one way to have it."""
    asked = {"localityRequirement": locality} if locality else {}
    bundles = [{"resourceRequests": list(each), **asked} for each in choices]
    return {"details": f"{name}:{strategy}|PENDING", "bundleSelectors": bundles}


def _state(node: Node, now: float) -> Json:
    idle = node.status == IDLE
    share = 1.0 if idle else node.free
    free = {name: amount if idle else float(int(amount * share)) for name, amount in node.total.items()}
    return {
        "nodeId": base64.b64encode(node.node_id).decode(),
        "instanceId": node.pod,
        "rayNodeTypeName": node.group,
        "status": node.status,
        "totalResources": dict(node.total),
        "availableResources": {name: amount for name, amount in free.items() if amount},
        "labels": dict(node.labels),
        "idleDurationMs": str(int(1000 * (now - (node.idle_since or now)))),
        "nodeIpAddress": "10.0.0.9",
    }


def _number(text: str) -> float:
    unit = next((unit for unit in ("Gi", "Mi", "m") if text.endswith(unit)), "")
    try:
        return float(text.removesuffix(unit)) * _UNITS[unit]
    except ValueError:
        return 0.0
