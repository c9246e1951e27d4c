"""A small cluster to build manifests from, and the parts of what was built."""

from collections.abc import Mapping
from typing import Any

from rayfleet.api.raycluster import RayClusterSpec, WorkerGroupSpec, parse_spec
from rayfleet.kinds.raycluster.manifests import head_pod, worker_pods
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root

UID = "0a1b2c3d-0000-4000-8000-000000000001"


def cluster(name: str = "demo", uid: str = UID, annotations: Mapping[str, str] | None = None) -> Root:
    """A RayCluster object in the namespace `team-a`; its spec is handed to the builders apart from it."""
    return Root(
        key=Key("RayCluster", "team-a", name),
        uid=uid,
        resource_version=1,
        generation=1,
        deleting=False,
        labels={},
        annotations=annotations or {},
        spec={},
        status={},
    )


def template(metadata: object = None, pod: Mapping[str, Any] | None = None, **ray: object) -> dict[str, Any]:
    """A pod template whose Ray container has the fields `ray`, with the further fields `pod` of its spec."""
    container = {"name": "ray", "image": "example.org/ray:2.60.0", **ray}
    return {"metadata": metadata, "spec": {**(pod or {}), "containers": [container]}}


def spec(
    head: Mapping[str, Any] | None = None, worker: Mapping[str, Any] | None = None, **fields: object
) -> RayClusterSpec:
    """A valid spec with one worker group, in which `head` and `worker` overwrite fields of the groups."""
    parsed = parse_spec(
        {
            "rayVersion": "2.60.0",
            "headGroupSpec": {"template": template(), **(head or {})},
            "workerGroupSpecs": [{"groupName": "gpu", "template": template(), **(worker or {})}],
            **fields,
        }
    )
    assert isinstance(parsed, RayClusterSpec), parsed
    return parsed


def worker_group(of: RayClusterSpec) -> WorkerGroupSpec:
    """The one worker group."""
    return of.worker_group_specs[0]


def built_head(of: RayClusterSpec, owner: Root | None = None) -> dict[str, Any]:
    """The body of the first head pod."""
    return head_pod(owner or cluster(), of, 1).body


def built_worker(of: RayClusterSpec, owner: Root | None = None) -> dict[str, Any]:
    """The body of the first worker pod."""
    return worker_pods(owner or cluster(), of, worker_group(of)).named(1)


def ray(body: Mapping[str, Any]) -> dict[str, Any]:
    """The Ray container of a pod."""
    container: dict[str, Any] = body["spec"]["containers"][0]
    return container


def environment(container: Mapping[str, Any]) -> dict[str, Any]:
    """What the kubelet makes of a container's `env`: the last of a name wins."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def flags(body: Mapping[str, Any]) -> dict[str, str]:
    """The flags of the generated `ray start`, those without a value as empty text."""
    words = environment(ray(body))["KUBERAY_GEN_RAY_START_CMD"].split(" --")[1:]
    return {name: value for name, _, value in (word.partition("=") for word in words)}
