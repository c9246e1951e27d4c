"""A small RayJob to build manifests from."""

from collections.abc import Mapping
from typing import Any

from rayfleet.api import raycluster
from rayfleet.api import rayjob as api
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.rayjob import RayJobSpec
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root
from support.manifest_samples import template

UID = "0a1b2c3d-0000-4000-8000-0000000000aa"


def cluster_spec(head: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A `rayClusterSpec` with one worker group; `head` overwrites fields of the head group."""
    return {
        "rayVersion": "2.60.0",
        "headGroupSpec": {"template": template(), **(head or {})},
        "workerGroupSpecs": [{"groupName": "gpu", "template": template()}],
        **fields,
    }


def rayjob(
    name: str = "train",
    uid: str = UID,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **fields: Any,
) -> Root:
    """A stored RayJob in the namespace `team-a`, with these fields of its spec."""
    return Root(
        key=Key("RayJob", "team-a", name),
        uid=uid,
        resource_version=1,
        generation=1,
        deleting=False,
        labels=labels or {},
        annotations=annotations or {},
        spec={"entrypoint": "python main.py", "rayClusterSpec": cluster_spec(), **fields},
        status={},
    )


def spec_of(job: Root) -> RayJobSpec:
    """The model of its spec, which is valid."""
    parsed = api.parse_spec(job.spec)
    assert isinstance(parsed, RayJobSpec), parsed
    return parsed


def cluster_spec_of(fields: Mapping[str, Any]) -> RayClusterSpec:
    """The model of a valid spec of a cluster."""
    parsed = raycluster.parse_spec(fields)
    assert isinstance(parsed, RayClusterSpec), parsed
    return parsed
