"""What must hold in every history: the invariants of the design, as far as the operator has them.

A check takes a history and says what is wrong with it, one sentence a finding. Each is shown to find what
a planner that was broken on purpose does.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.faults.history import Change, Object, State, states
from support.faults.proxy import Exchange
from support.faults.wanted import (
    GROUP,
    HEAD,
    HOST,
    REDIS_FINALIZER,
    REPLICA,
    active,
    ended,
    in_view,
    is_head,
    is_ready,
    labels,
    owner_uid,
    terminating,
)

MAY_WRITE = frozenset(
    {
        "create pods",
        "delete pods",
        "drain nodes",
        "create services",
        "patch services",
        "create secrets",
        "create events",
        "patch rayclusters/status",
        "create leases",
        "patch leases",
    }
)

_DONE = 200


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the history of the API server, and the operators' requests."""

    changes: Sequence[Change]
    exchanges: Sequence[Exchange]
    by_hand: Collection[str] = field(default_factory=frozenset)
    """Uids of pods that the test deleted or made itself."""
    max_gpus: int | None = None
    """The maximum of GPUs of all clusters in the namespace."""

    @property
    def deleted_by_operator(self) -> set[str]:
        """Uids of the pods that the operator's deletes have hit."""
        deletes = (e for e in self.exchanges if e.call.verb == "delete" and 200 <= e.status < 300)
        return {e.call.uid or e.uid for e in deletes}


def judge(run: Run) -> list[str]:
    """Everything that is wrong with a run, in the order of the checks."""
    return [
        *two_heads(run),
        *too_many(run),
        *foreign_writes(run),
        *causeless_deletes(run),
        *doubles(run),
        *repaired_replicas(run),
        *cut_replicas(run),
        *above_the_ceiling(run),
        *let_go_early(run),
    ]


def two_heads(run: Run) -> Iterator[str]:
    """A cluster never has two head pods that may both live, not even while one is terminating.

    A pod that was created as a head is one, whatever its labels and owner are now.
    """
    for change, before in states(list(run.changes)):
        if change.kind != "pods" or change.gone or not _is_new(change, before):
            continue
        if not is_head(change.obj):
            continue
        living = [
            name
            for name, pod in before.of("pods").items()
            for made in [before.as_made(pod)]
            if is_head(made) and owner_uid(made) == owner_uid(change.obj) and not ended(pod)
        ]
        if living:
            yield f"head {change.name} was created while {', '.join(living)} may live"


def too_many(run: Run) -> Iterator[str]:
    """No create raises the active pods of a group above its desired size or its maximum."""
    for change, before in states(list(run.changes)):
        if change.kind != "pods" or change.gone or not _is_new(change, before) or not owner_uid(change.obj):
            continue
        group = labels(change.obj).get(GROUP, "")
        if group == HEAD:
            continue
        cluster = _owner(change.obj, before)
        if cluster is None:
            yield f"pod {change.name} was created for a cluster that is not there"
            continue
        wanted = _size(cluster, group)
        # A pod that was removed from the operator's view is replaced, as a ReplicaSet would do.
        there = sum(active(pod) and in_view(pod) for pod in _group(change.obj, before))
        if wanted is None or there + 1 > wanted:
            yield f"pod {change.name} is number {there + 1} of group {group}, of which {wanted} are wanted"


def foreign_writes(run: Run) -> Iterator[str]:
    """Only the cluster's own pods are deleted, and nothing else is written."""
    pods = {change.uid: change.obj for change in run.changes if change.kind == "pods"}
    held = {change.name for change in run.changes if change.kind == "rayclusters" and is_held(change.obj)}
    for exchange in run.exchanges:
        call = exchange.call
        if not call.mutating or not 200 <= exchange.status < 300:
            continue
        what = f"{call.verb} {call.resource}"
        if what not in MAY_WRITE and not (what == "patch rayclusters" and call.name in held):
            yield f"{call} is no write of this operator's"
        if call.verb == "delete":
            pod = pods.get(call.uid or exchange.uid)
            if not call.uid:
                yield f"{call} names no uid"
            if pod is None or not owner_uid(pod):
                yield f"{call} hit what no cluster owns"


def causeless_deletes(run: Run) -> Iterator[str]:
    """A pod goes only for a cause: it has ended, or its group is too large or gone."""
    by_operator = run.deleted_by_operator - set(run.by_hand)
    for change, before in states(list(run.changes)):
        if change.kind != "pods" or change.uid not in by_operator or not _is_leaving(change, before):
            continue
        known = before.of("pods").get(change.name, change.obj)
        cluster = _owner(change.obj, before)
        words = f"pod {change.name} was deleted"
        if ended(known):
            continue
        if cluster is None:
            yield f"{words} for a cluster that is not there"
        elif is_held(cluster):
            continue
        elif is_head(before.as_made(known)):
            yield f"{words}, a head that may live"
        elif follows_queue(cluster):
            if is_ready(known) and not _was_drained(change, run) and _size(cluster, _group_of(known, before)):
                yield f"{words}, a worker whose Ray node was not drained"
        elif not _is_surplus(known, cluster, before):
            yield f"{words}, a worker that was wanted"


def doubles(run: Run) -> Iterator[str]:
    """No two pods of a cluster have the same place at a time: one epoch, or one number in a group."""
    for change, before in states(list(run.changes)):
        if change.kind != "pods" or change.gone or not _is_new(change, before) or not owner_uid(change.obj):
            continue
        others = (pod for pod in _group(change.obj, before) if pod["metadata"]["name"] != change.name)
        if _number(change.obj) in map(_number, others):
            group = labels(change.obj).get(GROUP)
            yield f"number {_number(change.obj)} of group {group} is there twice: {change.name}"


def repaired_replicas(run: Run) -> Iterator[str]:
    """A multi-host replica that has been whole never gets another host: it is recreated."""
    whole: set[str] = set()
    for change, before in states(list(run.changes)):
        replica = labels(change.obj).get(REPLICA)
        if change.kind != "pods" or change.gone or replica is None or not _is_new(change, before):
            continue
        if replica in whole:
            yield f"pod {change.name} was made for replica {replica}, which had been whole"
        others = [labels(before.as_made(pod)) for pod in _group(change.obj, before)]
        others = [known for known in others if known.get(REPLICA) == replica]
        if labels(change.obj).get(HOST) in [known.get(HOST) for known in others]:
            yield f"pod {change.name} is a host that replica {replica} has"
        if len(others) + 1 == _hosts(change.obj, before):
            whole.add(replica)


def above_the_ceiling(run: Run) -> Iterator[str]:
    """No create takes GPUs above a ceiling; a pod holds its GPUs until it has ended or is gone."""
    if run.max_gpus is None:
        return
    for change, before in states(list(run.changes)):
        if change.kind != "pods" or change.gone or not _is_new(change, before) or not gpus(change.obj):
            continue
        there = sum(gpus(pod) for pod in before.of("pods").values() if owner_uid(pod) and not ended(pod))
        if there + gpus(change.obj) > run.max_gpus:
            words = f"{gpus(change.obj)} GPUs was created beside {there}, of {run.max_gpus} that there may be"
            yield f"pod {change.name} of {words}"


def let_go_early(run: Run) -> Iterator[str]:
    """A deleted cluster keeps KubeRay's finalizer while a pod of it may write to Redis."""
    for change, before in states(list(run.changes)):
        known = before.of("rayclusters").get(change.name) if change.kind == "rayclusters" else None
        if known is None or not is_held(known) or (is_held(change.obj) and not change.gone):
            continue
        pods = before.of("pods").values()
        living = [p["metadata"]["name"] for p in pods if owner_uid(p) == change.uid and not ended(p)]
        if living:
            yield f"cluster {change.name} was let go while {', '.join(living)} may write to Redis"


def is_held(cluster: Object) -> bool:
    """Whether the cluster is deleted and waits for KubeRay's finalizer."""
    return terminating(cluster) and REDIS_FINALIZER in (cluster["metadata"].get("finalizers") or ())


def gpus(pod: Object) -> int:
    """The GPUs of all containers."""
    limits = (
        (c.get("resources") or {}).get("limits") or {} for c in pod.get("spec", {}).get("containers") or ()
    )
    return sum(int(amount) for each in limits for name, amount in each.items() if name.endswith("/gpu"))


def cut_replicas(run: Run) -> Iterator[str]:
    """At the end no replica lacks a host."""
    end = State()
    for change in run.changes:
        end.take(change)
    there = [end.as_made(pod) for pod in end.of("pods").values() if active(pod) and in_view(pod)]
    pods = [pod for pod in there if REPLICA in labels(pod)]
    for replica, count in Counter(labels(pod)[REPLICA] for pod in pods).items():
        hosts = next(_hosts(pod, end) for pod in pods if labels(pod)[REPLICA] == replica)
        if hosts is not None and count != hosts:
            yield f"replica {replica} is left with {count} of {hosts} hosts"


def _hosts(pod: Object, state: State) -> int | None:
    """Pods of a replica, by the spec of the cluster; None if its group is gone."""
    cluster = _owner(pod, state)
    for entry in (cluster or {"spec": {}})["spec"].get("workerGroupSpecs") or ():
        if entry["groupName"] == _group_of(pod, state):
            return int(entry.get("numOfHosts") or 1)
    return None


def _number(pod: Object) -> str:
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get("rayfleet.io/head-epoch") or annotations.get("rayfleet.io/index") or "")


def _is_new(change: Change, before: State) -> bool:
    known = before.of(change.kind).get(change.name)
    return known is None or known["metadata"]["uid"] != change.uid


def _is_leaving(change: Change, before: State) -> bool:
    """Whether this change deletes a pod, at once or with a grace period."""
    known = before.of("pods").get(change.name)
    was = known is not None and terminating(known)
    return not was and (change.gone or terminating(change.obj))


def _owner(pod: Object, state: State) -> Object | None:
    uid = owner_uid(pod)
    return next((c for c in state.of("rayclusters").values() if c["metadata"]["uid"] == uid), None)


def _group(pod: Object, state: State) -> list[Object]:
    """The pods that were created for the same group of the same cluster."""
    place = _place(pod, state)
    return [p for p in state.of("pods").values() if _place(p, state) == place]


def _place(pod: Object, state: State) -> tuple[str, str]:
    return owner_uid(state.as_made(pod)), _group_of(pod, state)


def _size(cluster: Object, group: str) -> int | None:
    """The desired size of a group by the cluster's spec; None if there is no such group."""
    for entry in cluster["spec"].get("workerGroupSpecs") or ():
        if entry["groupName"] == group:
            size = entry.get("maxReplicas", 0) if follows_queue(cluster) else entry.get("replicas")
            return wanted_size({**entry, "replicas": size})
    return None


def follows_queue(cluster: Object) -> bool:
    """Whether the sizes of its groups are decided by its queue, within their bounds."""
    return bool(cluster["spec"].get("enableInTreeAutoscaling"))


def _was_drained(change: Change, run: Run) -> bool:
    """Whether Ray had agreed to do without a pod before it was deleted."""
    return any(
        e.call.verb == "drain" and e.call.name == change.name and e.status == _DONE and e.at <= change.at
        for e in run.exchanges
    )


def _group_of(pod: Object, state: State) -> str:
    return labels(state.as_made(pod)).get(GROUP, "")


def wanted_size(entry: Mapping[str, Any]) -> int:
    """Pods of a worker group: replicas within their bounds, times hosts."""
    smallest, largest = entry.get("minReplicas") or 0, entry.get("maxReplicas", 2**31 - 1)
    replicas: int = min(max(entry.get("replicas") or 0, smallest), largest)
    return replicas * int(entry.get("numOfHosts") or 1)


def _is_surplus(pod: Object, cluster: Object, state: State) -> bool:
    wanted = _size(cluster, _group_of(pod, state))
    named = any(
        pod["metadata"]["name"] in (entry.get("scaleStrategy") or {}).get("workersToDelete", ())
        for entry in cluster["spec"].get("workerGroupSpecs") or ()
    )
    if wanted is None or named or _is_broken(pod, state):
        return True
    # The first pod of a surplus replica shows that it is one; the others follow.
    return sum(active(p) and in_view(p) for p in _group(pod, state)) > wanted


def _is_broken(pod: Object, state: State) -> bool:
    """Whether the pod is of a multi-host replica that lacks a host or has a terminating one."""
    replica = labels(state.as_made(pod)).get(REPLICA)
    if replica is None:
        return False
    hosts = [p for p in _group(pod, state) if labels(state.as_made(p)).get(REPLICA) == replica]
    return sum(map(active, hosts)) != _hosts(pod, state)
