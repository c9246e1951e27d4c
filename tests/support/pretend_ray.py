"""A Ray cluster without processes: a GCS that answers, nodes that are idle or busy, a queue set by a test.

It behaves as Ray does where that matters to an autoscaler: a task goes to a free node, a busy node is
not drained, and a drained one is dead while its pod lives on.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc

from rayfleet.ray.gcs.protocol import ray_pb2
from support.stand_in_gcs import STATE, StandInGcs

Reply: TypeAlias = ray_pb2.GetClusterResourceStateReply
Lie: TypeAlias = Callable[[Reply], Reply]
"""From the true answer to the false one."""
DRAIN, REPORT, NODES = "DrainNode", "ReportAutoscalingState", "GetAllNodeInfo"
IDLE_TERMINATION = 1
RUNNING, DEAD, IDLE = 1, 2, 3
UNEXPECTED_TERMINATION, DRAINED_WHEN_IDLE = 2, 4
PORT = 6379
LONG_BUSY = 3
"""After so many answers that call a node busy, nobody may ask for its drain."""


@dataclass(slots=True)
class Node:
    """One node; it takes one task at a time."""

    name: str
    group: str
    busy: bool = False
    dead: bool = False
    death: int = 0
    """Why it is dead, as Ray records it."""
    idle_since: float = field(default_factory=time.monotonic)

    @property
    def is_head(self) -> bool:
        return self.group == "headgroup"

    @property
    def node_id(self) -> bytes:
        return hashlib.sha224(self.name.encode()).digest()


class PretendRay:
    """One Ray cluster. A task needs one `resource`, and a worker has one."""

    def __init__(self, resource: str = "GPU") -> None:
        self.gcs = StandInGcs()
        self.gcs.answers = {STATE: self._state, DRAIN: self._drain, REPORT: self._report, NODES: self._books}
        self.resource = resource
        self.session = "session_1"
        self.waiting = 0
        """Tasks that have no node."""
        self.larger: dict[int, int] = {}
        """Tasks that no node ever serves: how much one needs, to how many there are."""
        self.nodes: dict[str, Node] = {}
        self.lie: Lie | None = None
        self.silent = False
        """It accepts requests and never answers."""
        self.polls = 0
        self.drains: list[tuple[str, bool]] = []
        """The pod's name, and whether its node was drained."""
        self.reports: list[ray_pb2.AutoscalingState] = []
        self.lost: list[str] = []
        """What must not happen, in words: work that was lost, nodes that went without a drain, or
        that were asked for though they were said to be busy."""
        self.work: list[tuple[float, int]] = [(time.monotonic(), 0)]
        """The number of tasks over time: monotonic seconds, tasks."""
        self._said_busy: Counter[str] = Counter()
        self._version = 0

    async def start(self, host: str) -> None:
        """Listen at `host`, the head's address."""
        await self.gcs.start(host, PORT)

    async def stop(self) -> None:
        """Cut every connection and stop listening. Running tasks go on."""
        await self.gcs.stop()

    async def come_back(self) -> None:
        """Listen again at the same address, if it was stopped."""
        if not self.gcs.listens:
            await self.gcs.start(self.gcs.address.rpartition(":")[0], PORT)

    def begin(self, head: str) -> None:
        """The head has started."""
        self.nodes[head] = Node(head, "headgroup")

    def join(self, name: str, group: str) -> None:
        """A worker has started, and takes a task that waits."""
        if name not in self.nodes:
            self.nodes[name] = Node(name, group)
            self._place()

    def leave(self, name: str) -> None:
        """A pod goes, and its node with it."""
        node = self.nodes.get(name)
        if node is None or node.dead:
            return
        self.lost.append(f"pod {name} went while its node was {'busy' if node.busy else 'not drained'}")
        node.dead, node.busy, node.death = True, False, UNEXPECTED_TERMINATION

    def submit(self, tasks: int) -> None:
        """More tasks wait."""
        self.waiting += tasks
        self._place()

    def finish(self, *names: str) -> None:
        """The tasks on these nodes end; waiting tasks take their places."""
        for name in names:
            node = self.nodes[name]
            node.busy, node.idle_since = False, time.monotonic()
        self._place()

    @property
    def busy(self) -> set[str]:
        """The names of the pods with a task."""
        return {node.name for node in tuple(self.nodes.values()) if node.busy}

    def most_work(self, since: float, until: float) -> int:
        """The largest number of tasks at a time, with or without a node."""
        before = [tasks for at, tasks in self.work if at <= since]
        return max([before[-1] if before else 0, *(tasks for at, tasks in self.work if since < at <= until)])

    def _place(self) -> None:
        self.work.append((time.monotonic(), self.waiting + len(self.busy)))
        for node in tuple(self.nodes.values()):
            if self.waiting and not node.is_head and not node.dead and not node.busy:
                node.busy, self.waiting = True, self.waiting - 1

    async def _state(self, _request: bytes) -> bytes | grpc.StatusCode:
        self.polls += 1
        if self.silent:
            await asyncio.Event().wait()
        self._version += 1
        reply = self._truth() if self.lie is None else self.lie(self._truth())
        for state in reply.cluster_resource_state.node_states:
            self._said_busy[state.instance_id] += 1
            if state.status != RUNNING:
                del self._said_busy[state.instance_id]
        return _reply(reply)

    def _truth(self) -> Reply:
        wanted = [({self.resource: 1.0}, self.waiting)] if self.waiting else []
        wanted += [({self.resource: float(size)}, count) for size, count in self.larger.items()]
        return Reply(
            cluster_resource_state=ray_pb2.ClusterResourceState(
                cluster_resource_state_version=self._version,
                node_states=[self._node_state(node) for node in tuple(self.nodes.values())],
                pending_resource_requests=[
                    ray_pb2.ResourceRequestByCount(
                        request=ray_pb2.ResourceRequest(resources_bundle=bundle), count=count
                    )
                    for bundle, count in wanted
                ],
                cluster_session_name=self.session,
            )
        )

    def _node_state(self, node: Node) -> ray_pb2.NodeState:
        total = {"memory": 1e9} if node.is_head else {"memory": 1e9, self.resource: 1.0}
        idle = not node.busy and not node.dead
        return ray_pb2.NodeState(
            node_id=node.node_id,
            instance_id=node.name,
            ray_node_type_name=node.group,
            available_resources=total if idle else {"memory": 1e9},
            total_resources=total,
            status=DEAD if node.dead else IDLE if idle else RUNNING,
            idle_duration_ms=int((time.monotonic() - node.idle_since) * 1000) if idle else 0,
        )

    async def _drain(self, request: bytes) -> bytes | grpc.StatusCode:
        """Drain as Ray does: only a node that is idle at this moment, or one that it does not know."""
        asked = ray_pb2.DrainNodeRequest.FromString(request)
        node = next((n for n in tuple(self.nodes.values()) if n.node_id == asked.node_id), None)
        if node is not None and node.busy and asked.reason == IDLE_TERMINATION:
            self.drains.append((node.name, False))
            if self._said_busy[node.name] >= LONG_BUSY:
                self.lost.append(f"the node of pod {node.name} was asked for though it was said to be busy")
            words = "The node to be idle terminated is no longer idle."
            return _reply(ray_pb2.DrainNodeReply(is_accepted=False, rejection_reason_message=words))
        if node is not None:
            if node.busy:
                self.lost.append(f"the busy node of pod {node.name} was drained")
            self.drains.append((node.name, True))
            if not node.dead:
                node.dead, node.busy, node.death = True, False, DRAINED_WHEN_IDLE
        return _reply(ray_pb2.DrainNodeReply(is_accepted=True))

    async def _books(self, request: bytes) -> bytes | grpc.StatusCode:
        """The requested nodes, with the causes of their deaths."""
        if self.silent:
            await asyncio.Event().wait()
        asked = {each.node_id for each in ray_pb2.GetAllNodeInfoRequest.FromString(request).node_selectors}
        nodes = [node for node in tuple(self.nodes.values()) if not asked or node.node_id in asked]
        return _reply(ray_pb2.GetAllNodeInfoReply(node_info_list=[_entry(node) for node in nodes]))

    async def _report(self, request: bytes) -> bytes | grpc.StatusCode:
        asked = ray_pb2.ReportAutoscalingStateRequest.FromString(request)
        self.reports.append(asked.autoscaling_state)
        return _reply(ray_pb2.ReportAutoscalingStateReply())


def _entry(node: Node) -> ray_pb2.GcsNodeInfo:
    return ray_pb2.GcsNodeInfo(
        node_id=node.node_id,
        instance_id=node.name,
        node_type_name=node.group,
        state=int(node.dead),
        is_head_node=node.is_head,
        death_info=ray_pb2.NodeDeathInfo(reason=node.death),
    )


def _reply(message: object) -> bytes:
    return bytes(message.SerializeToString())  # type: ignore[attr-defined]  # messages have no types
