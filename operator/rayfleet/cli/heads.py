"""The head of a cluster, found with the user's own rights."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from rayfleet.api.names import KIND, Label, NodeType, is_object_name
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.paths import path_of, paths_of
from rayfleet.cli.unread import unread
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.served import RAYCLUSTERS
from rayfleet.kinds.raycluster.validity import judge
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.resources import PODS
from rayfleet.kube.objects.roots import Root, root_from_object


class Head(Struct, frozen=True):
    """A head that may be asked."""

    cluster: Root
    spec: RayClusterSpec
    pod: Pod


def find_head(server: ApiServer, namespace: str, name: str) -> Head | str:
    """The newest head of the cluster `name`, or why it cannot be asked."""
    if not is_object_name(name):  # It may come from a status, which others can write.
        return "it names no cluster"
    raw = server.get(path_of(RAYCLUSTERS, namespace, name))
    if isinstance(raw, ApiFailure):
        return unread(raw, server, RAYCLUSTERS, namespace, name)
    cluster = root_from_object(raw, KIND)
    spec = judge(cluster, None, None, {}).spec
    if spec is None:
        return f"the spec of RayCluster {name} is not valid"
    pods = server.get(paths_of(PODS, namespace), labelSelector=f"{Label.CLUSTER}={name}")
    if isinstance(pods, ApiFailure):
        return (
            f"pods cannot be listed, so the head is not known (ask for the verb list on pods): {pods.message}"
        )
    pod = newest_head(identified(cluster, spec, owned_pods(pods, cluster)))
    return pod if isinstance(pod, str) else Head(cluster, spec, pod)


def owned_pods(answer: Mapping[str, Any], cluster: Root) -> Iterator[Pod]:
    """The pods of a list that the cluster owns, oldest first: anybody can put its label on a pod."""
    pods = [pod_from_object(item) for item in answer.get("items") or ()]
    owned = [pod for pod in pods if pod.owner is not None and pod.owner.uid == cluster.uid]
    yield from sorted(owned, key=lambda pod: (pod.created, pod.name))


def newest_head(pods: Iterable[Pod]) -> Pod | str:
    """The head pod that counts, or why there is none to ask."""
    heads = [pod for pod in pods if pod.node_type == NodeType.HEAD and pod.active]
    if not heads:
        return "there is no head pod"
    head = max(heads, key=lambda pod: (pod.head_epoch or 0, pod.created))
    return head if head.pod_ip else f"the head pod {head.name} is not running yet"
