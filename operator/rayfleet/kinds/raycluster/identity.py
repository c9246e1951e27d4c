"""Which pod is which, by what nobody can change: its owner's uid and its name.

Anybody may change labels and annotations of a running pod; `ray.io/node-type` is changed to set a pod aside
(`aside.py`). The name stays and says what a pod was created as: a head with its epoch, or a worker with its
group and number. A pod with another kind of name is what its labels say.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import recorded
from rayfleet.kinds.raycluster.manifests import head_pod_name, worker_pod_name
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root

_WORKER: Final = re.compile(r"(?P<tail>-worker-[a-z0-9]{5}-)(?P<index>[0-9]{1,9})$")
"""The end of the name of a worker that this operator created."""
_WORKER_OF_KUBERAY: Final = re.compile(r"-worker-[a-z0-9]{5}$")
_RANDOM: Final = re.compile(r"[a-z0-9]{5}")
_EPOCHS: Final = 20
"""How many epochs back to search for a head's name if its annotation is missing or wrong."""


def identified(cluster: Root, spec: RayClusterSpec | None, pods: Iterable[Pod]) -> Iterator[Pod]:
    """`pods` of `cluster` as they were created, whatever their labels say now."""
    names = _Names(cluster, spec)
    return map(names.known, pods)


class _Names:
    """The names of one cluster's pods."""

    def __init__(self, cluster: Root, spec: RayClusterSpec | None) -> None:
        self._cluster = cluster
        self._recorded = recorded(cluster.status)
        self._groups = [group.group_name for group in spec.worker_group_specs] if spec is not None else []
        self._stems: dict[str, str] = {}

    def known(self, pod: Pod) -> Pod:
        """The pod as it was created; `aside` if its labels say otherwise."""
        original = self._identify(pod)
        if original is pod or (original.node_type, original.group) == (pod.node_type, pod.group):
            return original
        return replace(original, aside=True)

    def _identify(self, pod: Pod) -> Pod:
        if pod.node_type == NodeType.WORKER and pod.name == f"{self._stem(pod.group)}{pod.index}":
            return pod  # Nearly all pods.
        epoch = pod.head_epoch if (pod.node_type, pod.group) == (NodeType.HEAD, HEAD_GROUP) else None
        if epoch is not None and pod.name == head_pod_name(self._cluster, epoch):
            return pod
        ours = _WORKER.search(pod.name)
        if ours is not None:
            group = self._group_of(ours["tail"], pod.group)
            return replace(pod, node_type=NodeType.WORKER, group=group, index=int(ours["index"]))
        if _WORKER_OF_KUBERAY.search(pod.name):
            return replace(pod, node_type=NodeType.WORKER, group=self._group_by_kuberay(pod))
        if self._is_head(pod.name):
            epoch = self._epoch(pod)
            return replace(pod, node_type=NodeType.HEAD, group=HEAD_GROUP, head_epoch=epoch, index=0)
        return pod

    def _stem(self, group: str) -> str:
        """The name of a worker of `group` without its number."""
        if group not in self._stems:
            self._stems[group] = worker_pod_name(self._cluster, group, 0)[:-1]
        return self._stems[group]

    def _group_of(self, tail: str, label: str) -> str:
        """The group whose workers' names have this tail; if the spec has none, the label's group or none."""
        for group in (label, *self._groups):
            if self._stem(group).endswith(tail):
                return group
        return "" if label in self._groups else label

    def _group_by_kuberay(self, pod: Pod) -> str:
        for group in (pod.group, *self._groups):
            if pod.name[:-5] == f"{self._cluster.key.name}-{group}-worker-".lower():
                return group
        return pod.group

    def _is_head(self, name: str) -> bool:
        if self._recorded.head.pod_name == name:
            return True
        ours, kuberay = head_pod_name(self._cluster, 0)[:-5], f"{self._cluster.key.name}-head"
        return name == kuberay or (
            _RANDOM.fullmatch(name[-5:]) is not None and name[:-5] in {ours, f"{kuberay}-"}
        )

    def _epoch(self, pod: Pod) -> int | None:
        """The epoch of a head that this operator created; None for another's."""
        last = self._recorded.head_epoch or 0
        epochs: list[int] = [last] if pod.head_epoch is None else [pod.head_epoch, last]
        epochs += range(last + 1, max(last - _EPOCHS, -1), -1)
        return next((epoch for epoch in epochs if head_pod_name(self._cluster, epoch) == pod.name), None)
