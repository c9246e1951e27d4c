"""Handwritten histories, one change per line."""

import itertools
from collections.abc import Mapping
from typing import Any

from support.faults.call import Call
from support.faults.history import Change
from support.faults.oracle import Run
from support.faults.proxy import Exchange
from support.faults.wanted import REDIS_FINALIZER

CLUSTER_UID = "uid-demo"


class Recording:
    """Records events one after another."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._versions = itertools.count(1)
        self._changes: list[Change] = []
        self._exchanges: list[Exchange] = []
        self._pods: dict[str, dict[str, Any]] = {}
        self._max_gpus: int | None = None
        self.spec(sizes)

    @property
    def run(self) -> Run:
        return Run(tuple(self._changes), tuple(self._exchanges), max_gpus=self._max_gpus)

    def spec(self, sizes: Mapping[str, int], **group_fields: object) -> "Recording":
        """The user sets the sizes of the groups."""
        groups = [{"groupName": g, "replicas": n, "maxReplicas": 5, **group_fields} for g, n in sizes.items()]
        metadata = {"name": "demo", "uid": CLUSTER_UID}
        return self._note("rayclusters", {"metadata": metadata, "spec": {"workerGroupSpecs": groups}})

    def deleted(self) -> "Recording":
        """The user deletes the cluster, which KubeRay's finalizer holds."""
        return self._held(deletionTimestamp="now", finalizers=[REDIS_FINALIZER])

    def let_go(self) -> "Recording":
        """The finalizer is taken off, and the cluster is gone."""
        return self.writes("patch", "rayclusters", "demo")._held(gone=True, deletionTimestamp="now")

    def _held(self, *, gone: bool = False, **fields: object) -> "Recording":
        metadata = {"name": "demo", "uid": CLUSTER_UID, **fields}
        return self._note("rayclusters", {"metadata": metadata, "spec": {"workerGroupSpecs": []}}, gone=gone)

    def ceiling(self, gpus: int) -> "Recording":
        """The namespace gets a ceiling on GPUs."""
        self._max_gpus = gpus
        return self

    def head(self, epoch: int, name: str = "") -> "Recording":
        """A head appears."""
        labels = {"ray.io/node-type": "head", "ray.io/group": "headgroup"}
        return self._pod(name or f"head-{epoch}", labels, {"rayfleet.io/head-epoch": str(epoch)})

    def worker(self, number: int, group: str = "a", name: str = "", gpus: int = 0) -> "Recording":
        """A worker appears."""
        labels = {"ray.io/node-type": "worker", "ray.io/group": group}
        return self._pod(name or f"{group}-{number}", labels, {"rayfleet.io/index": str(number)}, gpus)

    def host(self, number: int, replica: str, index: int) -> "Recording":
        """A host of a replica of group `tpu` appears."""
        labels = {
            "ray.io/node-type": "worker",
            "ray.io/group": "tpu",
            "ray.io/worker-group-replica-name": replica,
            "ray.io/replica-host-index": str(index),
        }
        return self._pod(f"tpu-{number}", labels, {"rayfleet.io/index": str(number)})

    def stranger(self, name: str) -> "Recording":
        """A pod appears that no cluster owns."""
        return self._note("pods", self._keep(name, {"metadata": {"name": name, "uid": f"uid-{name}"}}))

    def changes(self, name: str, *, disown: bool = False, **labels: str) -> "Recording":
        """Somebody gives a pod labels (`cluster`, `group`, `node_type`; empty: taken off), or no owner."""
        pod = self._pods[name]
        metadata = dict(pod["metadata"])
        given = {f"ray.io/{key.replace('_', '-')}": text for key, text in labels.items()}
        kept = {**metadata["labels"], **given}
        metadata["labels"] = {key: text for key, text in kept.items() if text}
        if disown:
            del metadata["ownerReferences"]
        self._pods[name] = {**pod, "metadata": metadata}
        return self._note("pods", self._pods[name])

    def ends(self, name: str) -> "Recording":
        """A pod's containers end."""
        self._pods[name] = {**self._pods[name], "status": {"phase": "Failed"}}
        return self._note("pods", self._pods[name])

    def terminates(self, name: str, *, by_operator: bool = True, uid: str = "") -> "Recording":
        """A pod is deleted, and is on its way out."""
        pod = self._pods[name]
        self._pods[name] = {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "now"}}
        if by_operator:
            self.writes("delete", "pods", name, uid=uid or pod["metadata"]["uid"])
        return self._note("pods", self._pods[name])

    def goes(self, name: str) -> "Recording":
        """A pod is gone."""
        return self._note("pods", self._pods.pop(name), gone=True)

    def writes(self, verb: str, resource: str, name: str, uid: str = "") -> "Recording":
        """The operator's call succeeds."""
        body = {"preconditions": {"uid": uid}} if uid else {}
        call = Call(verb, resource, "ns", name, {}, body)
        self._exchanges.append(Exchange(call, 0.0, 200, 200, uid))
        return self

    def _pod(
        self, name: str, labels: Mapping[str, str], annotations: Mapping[str, str], gpus: int = 0
    ) -> "Recording":
        owner = {"kind": "RayCluster", "name": "demo", "uid": CLUSTER_UID, "controller": True}
        metadata = {
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"ray.io/cluster": "demo", **labels},
            "annotations": dict(annotations),
            "ownerReferences": [owner],
        }
        limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
        spec = {"containers": [{"name": "ray", "resources": {"limits": limits}}]}
        pod = {"metadata": metadata, "spec": spec, "status": {"phase": "Running"}}
        return self._note("pods", self._keep(name, pod))

    def _keep(self, name: str, pod: dict[str, Any]) -> dict[str, Any]:
        self._pods[name] = pod
        return pod

    def _note(self, kind: str, obj: Mapping[str, Any], *, gone: bool = False) -> "Recording":
        self._changes.append(Change(next(self._versions), kind, gone, obj))
        return self
