"""The labels by which the head's Service selects: those of the current head, and of no other pod."""

from collections.abc import Mapping, Sequence

from rayfleet.api.names import HEAD_SELECTOR, Label, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.kinds.raycluster.actions import CreateService, SelectHead
from rayfleet.kinds.raycluster.manifests import head_selector, head_service, head_service_name
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root

Labels = Mapping[str, str]


def is_mistakable(snapshot: Snapshot, spec: RayClusterSpec) -> bool:
    """Whether the usual labels of a head of `spec` would select another pod as well."""
    group = spec.head_group_spec
    usual = head_selector(snapshot.cluster, group.template, group.labels) if snapshot.rivals else {}
    return any(_selects(usual, dict(rival.labels)) for rival in snapshot.rivals)


def create_head_service(snapshot: Snapshot, spec: RayClusterSpec) -> CreateService:
    """The missing Service, for the current or the next head."""
    cluster, group = snapshot.cluster, spec.head_group_spec
    head = _head(snapshot)
    own = {**head_selector(cluster, group.template, group.labels), Label.CLUSTER_UID: cluster.uid}
    selector = _selector(cluster, own if head is None else dict(head.labels), snapshot.rivals)
    body = head_service(cluster, spec)
    if selector:
        body = {**body, "spec": {**body["spec"], "selector": selector}}
    return CreateService(head_service_name(cluster, spec), body, "the head has no Service")


def select_head(snapshot: Snapshot, spec: RayClusterSpec) -> SelectHead | None:
    """The change to a Service that does not select the head, or selects another pod as well."""
    name, head = head_service_name(snapshot.cluster, spec), _head(snapshot)
    service = next((s for s in snapshot.services if s.name == name and not s.deleting), None)
    if head is None or service is None or not service.selector:
        return None
    present, labels = dict(service.selector), dict(head.labels)
    if not _selects(present, labels):
        reason = f"the labels of head {head.name} differ from its Service's selector"
    elif any(_selects(present, dict(rival.labels)) for rival in snapshot.rivals):
        reason = f"the selector of Service {name} also selects a pod of an earlier cluster"
    else:
        return None
    wanted = _selector(snapshot.cluster, labels, snapshot.rivals)
    if not wanted or wanted == present:
        return None
    return SelectHead(name, service.uid, wanted, tuple(sorted(present.keys() - wanted.keys())), reason)


def _head(snapshot: Snapshot) -> Pod | None:
    """The live head, if its labels are known."""
    heads = [p for p in snapshot.pods if p.node_type == NodeType.HEAD and not p.ended and p.labels]
    return max(heads, key=lambda pod: (not pod.deleting, pod.head_epoch or 0, pod.created), default=None)


def _selector(cluster: Root, labels: Labels, rivals: Sequence[Pod]) -> dict[str, str]:
    """The selector of a Service for this head; empty if it cannot be told apart from other pods.

    The uid is left out unless needed: should KubeRay take over, its heads have no such label, and it leaves
    the Service as it is.
    """
    usual = {key: labels[key] for key in HEAD_SELECTOR if key in labels}
    from_workers = (
        usual.get(Label.NODE_TYPE) == NodeType.HEAD
        or usual.get(Label.IDENTIFIER) == head_selector(cluster, {}, {})[Label.IDENTIFIER]
    )
    distinct = from_workers and usual.get(Label.CLUSTER) == cluster.key.name
    if distinct and not any(_selects(usual, dict(rival.labels)) for rival in rivals):
        return usual
    if labels.get(Label.CLUSTER_UID) == cluster.uid:
        return {**usual, Label.CLUSTER_UID: cluster.uid}
    return usual if distinct else {}


def _selects(selector: Labels, labels: Labels) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())
