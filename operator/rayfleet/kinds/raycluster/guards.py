"""Checks before a plan for a RayCluster is carried out, in addition to those of every kind."""

import asyncio

from msgspec import Struct
from msgspec.structs import replace

from rayfleet.api.names import NodeType, is_object_name
from rayfleet.api.raycluster.status import recorded
from rayfleet.engine.kind import Check, Guard
from rayfleet.engine.verify import failed, read
from rayfleet.engine.workqueue import Retry
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.actions import AdvanceHeadEpoch, CreatePod, Plan
from rayfleet.kinds.raycluster.children import POD_CHILD, RAYCLUSTERS
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.roots import Root

OUT_OF_VIEW_SECONDS = 30.0
"""Between checks of a head that no watch shows because its labels were removed."""


class Guards(Struct, frozen=True):
    """The guards, and what they need."""

    client: KubeClient
    sources: ScalingSources

    def all(self) -> tuple[Guard[ClusterMemory, Snapshot, Plan], ...]:
        """In the order in which they run."""
        return (
            Guard(self.sources.needs_ceilings, self._read_ceilings, before_verified=True),
            Guard(lambda _, decided: _makes_head(decided), self._look_for_head),
        )

    async def _read_ceilings(self, cluster: Root, memory: ClusterMemory) -> Check:
        """Read the ceilings of the namespace if the cluster is about to get GPUs."""
        is_news = await self.sources.read_ceilings(cluster.key, memory)
        return Check.ASKED if is_news else Check.NOTHING_ASKED

    async def _look_for_head(self, cluster: Root, memory: ClusterMemory) -> Check | Retry:
        """Look for the recorded head before a new one is created: step 3 in `plan/head.py`."""
        name = recorded(cluster.status).head.pod_name
        if not is_object_name(name):  # Whoever may write the status may have written it.
            return Check.NOTHING_ASKED
        pod = await read(self.client, POD_CHILD, cluster.key.namespace, name)
        if isinstance(pod, ApiFailure):
            return failed(pod, "look for the head")
        if pod is not None and not pod.ended:
            owner = pod.owner
            ours = owner is not None and owner.kind == RAYCLUSTERS.kind
            if not ours or owner.uid == cluster.uid:
                # A pod that another kind controls is waited for, but never deleted.
                memory.stray_head = pod if ours else replace(pod, owner=None)
                memory.stray_until = asyncio.get_running_loop().time() + OUT_OF_VIEW_SECONDS
        return Check.ASKED


def _makes_head(decided: Plan) -> bool:
    return any(
        isinstance(action, AdvanceHeadEpoch)
        or (isinstance(action, CreatePod) and action.node_type == NodeType.HEAD)
        for action in decided.actions
    )
