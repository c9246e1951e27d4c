"""Planners that are wrong on purpose, to show that the oracle notices."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.kinds.raycluster.kind import decided
from rayfleet.kinds.raycluster.manifests import head_pod
from rayfleet.kinds.raycluster.plan import Cause, CreatePod, CreateService, DeletePod, Plan, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod

Planner = Callable[[Snapshot], Plan]

BYSTANDER = "bystander"


def one_worker_too_many(snapshot: Snapshot) -> Plan:
    """Plans one worker more than each group should have."""
    spec = snapshot.spec
    if spec is None:
        return plan(snapshot)
    groups = [g.model_copy(update={"replicas": g.replicas + 1}) for g in spec.worker_group_specs]
    larger = spec.model_copy(update={"worker_group_specs": tuple(groups)})
    return plan(replace(snapshot, spec=larger))


def second_head(snapshot: Snapshot) -> Plan:
    """Creates a head of a later epoch beside the living one."""
    decided = plan(snapshot)
    heads = [pod for pod in snapshot.pods if pod.node_type == NodeType.HEAD]
    if snapshot.spec is None or len(heads) != 1:
        return decided
    made = head_pod(snapshot.cluster, snapshot.spec, 7)
    create = CreatePod(NodeType.HEAD, HEAD_GROUP, made.name, made.template_hash, made.body, "broken")
    return replace(decided, stages=(*decided.stages, (create,)))


def no_worker_is_safe(snapshot: Snapshot) -> Plan:
    """Deletes a running worker that its group needs."""
    decided = plan(snapshot)
    running = [pod for pod in snapshot.pods if pod.node_type == NodeType.WORKER and pod.active and pod.ready]
    return replace(decided, deletes=tuple(map(_delete, running[:1])))


def same_number_twice(snapshot: Snapshot) -> Plan:
    """Creates the first worker of a plan twice, under two names."""
    decided = plan(snapshot)
    return replace(decided, stages=tuple(tuple(_twins(stage)) for stage in decided.stages))


def _twins(stage: tuple[Any, ...]) -> Iterator[Any]:
    for action in stage:
        yield action
        if isinstance(action, CreatePod) and action.node_type == NodeType.WORKER:
            name = f"{action.name}-twin"
            metadata = {**action.body["metadata"], "name": name}
            yield replace(action, name=name, body={**action.body, "metadata": metadata})
            return


def writes_without_end(snapshot: Snapshot) -> Plan:
    """Creates the head's Service again and again."""
    decided = plan(snapshot)
    if decided.actions or not snapshot.services:
        return decided
    body = {"metadata": {"name": snapshot.services[0].name}, "spec": {"ports": [{"port": 1}]}}
    again = CreateService(snapshot.services[0].name, body, "broken")
    return replace(decided, stages=((again,),), requeue_after=0.2)


def deletes_a_stranger(uid_of: Callable[[str], str]) -> Planner:
    """A planner that deletes a pod that no cluster owns; `uid_of` knows pods by name."""

    def planner(snapshot: Snapshot) -> Plan:
        decided = plan(snapshot)
        uid = uid_of(BYSTANDER)
        stranger = DeletePod(NodeType.WORKER, "a", BYSTANDER, uid, Cause.SURPLUS, "broken")
        return replace(decided, deletes=(stranger,)) if uid else decided

    return planner


def _delete(pod: Pod) -> DeletePod:
    return DeletePod(pod.node_type, pod.group, pod.name, pod.uid, Cause.SURPLUS, "broken")


class Planners:
    """The broken planner of each namespace; all other operators plan correctly."""

    def __init__(self) -> None:
        self._broken: dict[str, Planner] = {}

    def __call__(self, snapshot: Snapshot) -> Plan:
        broken = self._broken.get(snapshot.cluster.key.namespace, decided)
        return broken(snapshot)

    @contextmanager
    def breaking(self, namespace: str, planner: Planner) -> Iterator[None]:
        self._broken[namespace] = planner
        try:
            yield
        finally:
            del self._broken[namespace]


PLANNERS = Planners()
"""Handed to every operator of the fault tests as its planner: cases are run side by side."""


BROKEN: Mapping[str, tuple[Planner, str]] = {
    "one-worker-too-many": (one_worker_too_many, "is number"),
    "second-head": (second_head, "while"),
    "no-worker-is-safe": (no_worker_is_safe, "a worker that was wanted"),
    "same-number-twice": (same_number_twice, "is there twice"),
}
"""A planner, and a part of the finding about it."""
