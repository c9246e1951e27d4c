"""Clusters of random specs in one namespace: whether each has settled, and its result."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayfleet.api.raycluster import RayClusterSpec, parse_spec
from rayfleet.kinds.raycluster.plan import unsupported
from support.cluster_api import ApiError, Namespace
from support.faults.history import History, Object
from support.faults.oracle import follows_queue, wanted_size
from support.faults.wanted import CLUSTER, GROUP, HEAD, active, labels

OURS = {None, "", "ray.io/kuberay-operator", "rayfleet.io/operator"}
_TEMPLATE = re.compile(r"spec\.(?:headGroupSpec|workerGroupSpecs\[(\d+)\])\.template: ")
_TAKEN = "exists and is not this cluster's"
REFUSED = "refused"
"""The result of a spec that the API server rejected."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The result of a spec, whatever was there before it."""

    valid: str
    sizes: Mapping[str, int] | None
    """Pods by group; None if the spec does not say: it is not valid, or not acted on."""
    desired: object


def submit(
    namespace: Namespace, name: str, spec: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
) -> str:
    """Create a cluster or change its spec; the reason if the API server refuses that, else empty."""
    path = f"/apis/ray.io/v1/namespaces/{namespace.name}/rayclusters"
    body: dict[str, Any] = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {**(metadata or {}), "name": name, "namespace": namespace.name},
        "spec": spec,
    }
    try:
        if namespace.api.exists(f"{path}/{name}"):
            current = namespace.cluster(name)
            body["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"]
            namespace.api.call("PUT", f"{path}/{name}", body)
        else:
            namespace.api.call("POST", path, body)
    except ApiError as error:
        if error.status == 409:  # The operator wrote its status in between.
            return submit(namespace, name, spec, metadata)
        if error.status not in {400, 422}:
            raise AssertionError(f"{spec} led to {error}") from error
        return REFUSED
    return ""


def unsettled(history: History, name: str) -> str:
    """Why a cluster has not settled yet; empty if it has converged, or its status says why it has not."""
    cluster = _cluster(history, name)
    if cluster is None:
        return f"{name} has not been seen"
    if cluster["spec"].get("managedBy") not in OURS:
        return ""
    status = cluster.get("status") or {}
    if status.get("observedGeneration") != cluster["metadata"]["generation"]:
        return f"{name} has not been observed: {cluster['spec']}"
    failure = _condition(cluster, "ReplicaFailure")
    # A request without an answer is repeated: its result is not known yet.
    if condition(cluster, "Valid") == "False" or (failure and "no answer" not in failure["message"]):
        return ""
    wanted, found = wanted_sizes(cluster), sizes(history, name)
    if wanted is None or all(found[group] == size for group, size in wanted.items()):
        return ""
    # Where the queue is not known nothing shrinks: what was there before stays.
    if follows_queue(cluster) and all(found[group] >= size for group, size in wanted.items()):
        return ""
    return f"{name} has {dict(found)} instead of {wanted}: {cluster['spec']}, {status}"


def shape(history: History, name: str) -> Shape:
    """The result of a settled cluster."""
    cluster = _cluster(history, name) or {}
    valid = condition(cluster, "Valid")
    accounted = valid == "True" and condition(cluster, "ReplicaFailure") != "True"
    accounted = accounted and not follows_queue(cluster)
    wanted = wanted_sizes(cluster) if accounted else None
    found = sizes(history, name)
    return Shape(
        valid,
        None if wanted is None else {group: found[group] for group in wanted},
        (cluster.get("status") or {}).get("desiredWorkerReplicas") if accounted else None,
    )


def may_differ(history: History, changed: str, fresh: str) -> bool:
    """Whether a cluster that was changed goes on with what was made of its first spec, where nothing can be
    made of the second: its Service, which is made once, or pods, whose template counts for those to come.
    Or both name one Service, which only one of them can have.
    """
    one, other = (_cluster(history, name) or {} for name in (changed, fresh))
    if any(_TAKEN in _condition(each, "ReplicaFailure").get("message", "") for each in (one, other)):
        return True
    if _condition(other, "ReplicaFailure").get("reason") == "FailedCreateService":
        return any(labels(service).get(CLUSTER) == changed for service in history.objects("services"))
    if condition(one, "Valid") != "True" or condition(other, "Valid") != "False":
        return False
    refused = _TEMPLATE.findall(_condition(other, "Valid")["message"])
    groups = [one["spec"]["workerGroupSpecs"][int(i)]["groupName"] if i else HEAD for i in refused]
    found = sizes(history, changed)
    return bool(groups) and all(found[group] for group in groups)


def described(history: History, name: str) -> str:
    """A cluster's spec, and its status."""
    cluster = _cluster(history, name) or {}
    return f"{cluster.get('spec')}, {cluster.get('status')}"


def fate(history: History, name: str) -> str:
    """The result of a settled cluster in a few words."""
    cluster = _cluster(history, name) or {}
    if cluster["spec"].get("managedBy") not in OURS:
        return "left to another controller"
    if condition(cluster, "Valid") == "False":
        return "called invalid"
    if condition(cluster, "ReplicaFailure") == "True":
        return "with pods refused"
    return "converged" if wanted_sizes(cluster) is not None else "not acted on, and reported so"


def wanted_sizes(cluster: Object) -> dict[str, int] | None:
    """Pods by group, head included, of the groups that are acted on; None if the cluster is not.

    A gated group keeps the size that it had.
    """
    spec, metadata = cluster["spec"], cluster["metadata"]
    parsed = parse_spec(spec)
    if not isinstance(parsed, RayClusterSpec):
        return None
    labelled, annotated = metadata.get("labels") or {}, metadata.get("annotations") or {}
    findings = unsupported(parsed, labels=labelled, annotations=annotated)
    withheld = [finding.group for finding in findings if finding.withholds]
    if None in withheld:
        return None
    withheld += [group.group_name for group in parsed.worker_group_specs if group.scale_strategy.scale_gate]
    groups = {
        entry["groupName"]: wanted_size(entry)
        for entry in spec.get("workerGroupSpecs") or ()
        if entry["groupName"] not in withheld
    }
    return {HEAD: 1, **groups}


def sizes(history: History, name: str) -> Counter[str]:
    """Active pods of a cluster by group."""
    pods = [pod for pod in history.objects("pods") if labels(pod).get(CLUSTER) == name and active(pod)]
    return Counter(labels(pod).get(GROUP, "") for pod in pods)


def condition(cluster: Object, kind: str) -> str:
    return str(_condition(cluster, kind).get("status", ""))


def _condition(cluster: Object, kind: str) -> Mapping[str, Any]:
    conditions = (cluster.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), {})


def _cluster(history: History, name: str) -> Object | None:
    return next((c for c in history.objects("rayclusters") if c["metadata"]["name"] == name), None)
