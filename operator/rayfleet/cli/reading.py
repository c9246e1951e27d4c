"""Reading a cluster and its surroundings with the user's own rights. Whatever cannot be read is named."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from rayfleet.api.names import KIND, Label
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.autoscaling.limits import NamespaceCeilings, ceilings_from_annotations
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.errors import CommandError
from rayfleet.cli.heads import newest_head, owned_pods
from rayfleet.cli.live_queue import ask_head
from rayfleet.cli.paths import path_of
from rayfleet.cli.unread import unread
from rayfleet.errors import ApiFailure
from rayfleet.explain.sources import EventNote, Queue, Sources
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.served import RAYCLUSTERS
from rayfleet.kinds.raycluster.validity import judge
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root, root_from_object
from rayfleet.kube.objects.timestamps import unix_seconds


def read_sources(server: ApiServer, namespace: str, name: str, now: float, *, ask: bool = True) -> Sources:
    """Read a cluster and its surroundings. Raises CommandError if the cluster itself cannot be read."""
    raw = server.get(path_of(RAYCLUSTERS, namespace, name))
    if isinstance(raw, ApiFailure):
        raise CommandError(unread(raw, server, RAYCLUSTERS, namespace, name))
    cluster = root_from_object(raw, KIND)
    judgement = judge(cluster, None, None, {})
    spec = judgement.spec
    missing: list[str] = []
    core = f"/api/v1/namespaces/{quote(namespace, '')}"
    pods = server.get(f"{core}/pods", labelSelector=f"{Label.CLUSTER}={name}")
    events = events_about(server, cluster)
    space = server.get(core)
    for what, answer in (("pods", pods), ("events", events), ("the namespace", space)):
        if isinstance(answer, ApiFailure):
            missing.append(f"{what} cannot be read: {answer.message}")
    owned = tuple(
        identified(cluster, spec, owned_pods({} if isinstance(pods, ApiFailure) else pods, cluster))
    )
    return Sources(
        cluster=cluster,
        spec=spec,
        pods=owned,
        events=() if isinstance(events, ApiFailure) else events,
        queue=_queue(server, cluster, spec, None if isinstance(pods, ApiFailure) else owned, ask=ask),
        now=now,
        ceilings=_ceilings(space),
        missing=tuple(missing),
        withheld=judgement.withheld,
        pods_known=not isinstance(pods, ApiFailure),
    )


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
    head = newest_head(pods)
    if isinstance(head, str):
        return Queue(None, head)
    return ask_head(server, cluster, spec, head)


def events_about(server: ApiServer, root: Root) -> tuple[EventNote, ...] | ApiFailure:
    """The events of an object, oldest first, or why they cannot be read."""
    core = f"/api/v1/namespaces/{quote(root.key.namespace, '')}"
    selector = f"involvedObject.kind={root.key.kind},involvedObject.name={root.key.name}"
    answer = server.get(f"{core}/events", fieldSelector=selector, limit="500")
    if isinstance(answer, ApiFailure):
        return answer
    return tuple(sorted(_events(answer, root.uid)))


def _events(answer: Mapping[str, Any], uid: str) -> Iterator[EventNote]:
    for item in answer.get("items") or ():
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
