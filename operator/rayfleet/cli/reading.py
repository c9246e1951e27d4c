"""Reading a cluster and its surroundings with the user's own rights. Whatever cannot be read is named."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from rayfleet.api.names import API_VERSION, KIND, PLURAL, Label, NodeType
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.autoscaling.limits import NamespaceCeilings, ceilings_from_annotations
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.errors import CommandError
from rayfleet.cli.live_queue import ask_head
from rayfleet.errors import NO_ANSWER, ApiFailure
from rayfleet.explain.sources import EventNote, Queue, Sources
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.validity import judge
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.roots import Root, root_from_object
from rayfleet.kube.objects.timestamps import unix_seconds

UNAUTHENTICATED, NOT_FOUND = 401, 404


def read_sources(server: ApiServer, namespace: str, name: str, now: float, *, ask: bool = True) -> Sources:
    """Read a cluster and its surroundings. Raises CommandError if the cluster itself cannot be read."""
    raw = server.get(f"/apis/{API_VERSION}/namespaces/{quote(namespace, '')}/{PLURAL}/{quote(name, '')}")
    if isinstance(raw, ApiFailure):
        raise CommandError(_unread(raw, server, namespace, name))
    cluster = root_from_object(raw, KIND)
    judgement = judge(cluster, None, None, {})
    spec = judgement.spec
    missing: list[str] = []
    core = f"/api/v1/namespaces/{quote(namespace, '')}"
    pods = server.get(f"{core}/pods", labelSelector=f"{Label.CLUSTER}={name}")
    selector = f"involvedObject.kind={KIND},involvedObject.name={name}"
    events = server.get(f"{core}/events", fieldSelector=selector, limit="500")
    space = server.get(core)
    for what, answer in (("pods", pods), ("events", events), ("the namespace", space)):
        if isinstance(answer, ApiFailure):
            missing.append(f"{what} cannot be read: {answer.message}")
    owned = tuple(identified(cluster, spec, _pods(pods, cluster)))
    return Sources(
        cluster=cluster,
        spec=spec,
        pods=owned,
        events=tuple(sorted(_events(events, cluster.uid))),
        queue=_queue(server, cluster, spec, None if isinstance(pods, ApiFailure) else owned, ask=ask),
        now=now,
        ceilings=_ceilings(space),
        missing=tuple(missing),
        withheld=judgement.withheld,
        pods_known=not isinstance(pods, ApiFailure),
    )


def _unread(failure: ApiFailure, server: ApiServer, namespace: str, name: str) -> str:
    if failure.status == NO_ANSWER:
        return (
            f"the API server {server.configuration.host} cannot be reached ({failure.message}): is it up, and"
            " is this the right --context?"
        )
    if failure.status == UNAUTHENTICATED:
        return (
            f"the API server {server.configuration.host} does not accept the credentials of the kubeconfig"
            f" ({failure.message}): log in again, or choose another --context."
        )
    if failure.status == NOT_FOUND and "could not find the requested resource" in failure.message:
        return (
            f"this cluster does not know {KIND} of {API_VERSION}: install the operator, or choose another"
            " --context."
        )
    if failure.status == NOT_FOUND:
        return (
            f"there is no {KIND} {name} in namespace {namespace}: run `kubectl get {PLURAL} -A`, and name the"
            " namespace with -n."
        )
    return f"{KIND} {name} in namespace {namespace} cannot be read: {failure.message}"


def _queue(
    server: ApiServer,
    cluster: Root,
    spec: RayClusterSpec | None,
    pods: tuple[Pod, ...] | None,
    *,
    ask: bool,
) -> Queue:
    if not ask:
        return Queue(None, "--no-port-forward was given")
    if spec is None:
        return Queue(None, "the spec is not valid")
    if pods is None:
        return Queue(None, "pods cannot be listed, so the head is not known (ask for the verb list on pods)")
    heads = [pod for pod in pods if pod.node_type == NodeType.HEAD and pod.active]
    if not heads:
        return Queue(None, "there is no head pod")
    head = max(heads, key=lambda pod: (pod.head_epoch or 0, pod.created))
    if not head.pod_ip:
        return Queue(None, f"the head pod {head.name} is not running yet")
    return ask_head(server, cluster, spec, head)


def _pods(answer: Mapping[str, Any] | ApiFailure, cluster: Root) -> Iterator[Pod]:
    """The pods that this cluster owns, oldest first."""
    items = () if isinstance(answer, ApiFailure) else answer.get("items") or ()
    pods = [pod_from_object(item) for item in items]
    owned = [pod for pod in pods if pod.owner is not None and pod.owner.uid == cluster.uid]
    yield from sorted(owned, key=lambda pod: (pod.created, pod.name))


def _events(answer: Mapping[str, Any] | ApiFailure, uid: str) -> Iterator[EventNote]:
    for item in () if isinstance(answer, ApiFailure) else answer.get("items") or ():
        if (item.get("involvedObject") or {}).get("uid") in {uid, None, ""}:
            series = item.get("series") or {}
            time = series.get("lastObservedTime") or item.get("lastTimestamp") or item.get("eventTime")
            yield EventNote(
                time=unix_seconds(time),
                reason=str(item.get("reason") or ""),
                message=str(item.get("message") or ""),
                warning=item.get("type") == "Warning",
                times=int(series.get("count") or item.get("count") or 1),
            )


def _ceilings(answer: Mapping[str, Any] | ApiFailure) -> NamespaceCeilings:
    if isinstance(answer, ApiFailure):
        return NamespaceCeilings()
    return ceilings_from_annotations((answer.get("metadata") or {}).get("annotations") or {})
