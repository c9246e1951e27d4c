"""Heads that answer anything: more than is read, new names each time, another cluster's nodes."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import grpc

from rayfleet.ray.gcs import bounds
from rayfleet.ray.gcs.protocol import ray_pb2
from support.faults.history import History
from support.faults.proxy import FaultProxy
from support.faults.rays import FaultyRay
from support.faults.wanted import CLUSTER, GROUP, labels
from support.hostile_answers import EXACT
from support.hostile_queues import QUEUES
from support.pretend_ray import Lie, Reply
from support.stand_in_gcs import node


class HangingRay(FaultyRay):
    """A Ray that can also take the operator's report and never answer."""

    def __init__(self, proxy: FaultProxy, namespace: str) -> None:
        super().__init__(proxy, namespace)
        self.hangs = False
        self.abandoned = 0
        """Reports that the operator no longer waits for."""

    async def _report(self, request: bytes) -> bytes | grpc.StatusCode:
        answer = await super()._report(request)
        if self.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                self.abandoned += 1
        return answer


def _always(given: Reply) -> Lie:
    """The same answer each time, with the existing nodes."""

    def lie(true: Reply) -> Reply:
        reply = Reply()
        reply.CopyFrom(given)
        reply.cluster_resource_state.node_states.extend(true.cluster_resource_state.node_states)
        return reply

    return lie


def _beyond(*dimensions: str) -> Lie:
    """An answer beyond the bound of each of these dimensions."""
    reply = Reply()
    for bound, make in (EXACT[name] for name in dimensions):
        reply.MergeFrom(make(bound + 1))
    return _always(reply)


def _new_names() -> Lie:
    """As many names as are read, and others in the next answer: of resources, labels, gangs and a session."""
    numbers = itertools.count()

    def lie(true: Reply) -> Reply:
        state, turn = true.cluster_resource_state, next(numbers)
        for n in range(bounds.MOST_NAMES // 4):
            asked = ray_pb2.ResourceRequest(resources_bundle={f"r-{turn}-{n}": 1.0})
            state.pending_resource_requests.add(request=asked, count=1 + n)
            selector = asked.label_selectors.add()
            selector.label_constraints.add(label_key=f"k-{turn}-{n % 16}", operator=1, label_values=["v"])
            whole = ray_pb2.BundleSelector(resource_requests=[asked])
            state.pending_gang_resource_requests.add(
                details=f"{turn:x}{n:x}:PACK|PENDING", bundle_selectors=[whole]
            )
        state.node_states.append(node(f"ghost-{turn}", GPU=1.0))
        return true

    return lie


def _turns(*lies: Lie) -> Lie:
    """These answers in turn: what the status says changes with each."""
    turn = itertools.cycle(lies)

    def lie(true: Reply) -> Reply:
        return next(turn)(true)

    return lie


def _changed_session() -> Lie:
    numbers = itertools.count()

    def lie(true: Reply) -> Reply:
        true.cluster_resource_state.cluster_session_name = f"session_{next(numbers)}"
        return true

    return lie


def _none(true: Reply) -> Reply:
    return true


LIES: Final[Mapping[str, Callable[[], Lie]]] = {
    "too-much": lambda: _turns(_beyond("nodes"), _beyond("shapes"), _beyond("placement groups")),
    "new-names": _new_names,
    "too-many-nodes": lambda: _beyond("nodes"),
    "too-many-shapes": lambda: _beyond("shapes"),
    "too-many-gangs": lambda: _beyond("placement groups"),
    "all-that-is-read": lambda: _always(QUEUES["all together"]()),
    "new-sessions": _changed_session,
    "now-and-then": lambda: _turns(_none, _beyond("names"), _new_names()),
}
"""What a head of a tenant may say of itself."""


def anothers_nodes(history: History, cluster: str) -> Lie:
    """The pods of `cluster`, as if all were this head's: one after the other idle and dead."""
    turn = itertools.cycle((1, 2, 3))

    def lie(true: Reply) -> Reply:
        for name, group in _pods_of(history, cluster):
            one = node(name, status=next(turn), GPU=1.0)
            one.ray_node_type_name = group
            true.cluster_resource_state.node_states.append(one)
        return true

    return lie


def _pods_of(history: History, cluster: str) -> Iterator[tuple[str, str]]:
    for pod in history.objects("pods"):
        if labels(pod).get(CLUSTER) == cluster:
            yield str(pod["metadata"]["name"]), labels(pod).get(GROUP, "")
