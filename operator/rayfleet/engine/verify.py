"""Before a pass writes: is what it has seen still so? Asked of the API server, and of no cache."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto

from rayfleet.api.names import PLURAL, Label, is_object_name
from rayfleet.engine.memory import LONGEST_HOLD, ClusterMemory
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kinds.raycluster.observe import View
from rayfleet.kube.client import paths
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod, pod_from_object
from rayfleet.kube.objects.roots import Cluster, cluster_from_object

UNANSWERED_BACKOFF = 5.0
"""Seconds. The longest wait between attempts while the API server does not answer."""
OUT_OF_VIEW_SECONDS = 30.0
"""Between looks at a head that no watch shows, as its labels were taken off."""


class Check(Enum):
    """All is well, and the pass goes on."""

    ASKED = auto()
    """With what is known by now: the caches may have heard of something meanwhile."""
    NOTHING_ASKED = auto()


@dataclass(frozen=True, slots=True)
class Gone:
    """The cluster is not there any more."""


class Verifier:
    """Reads what a pass is about once more, and puts it into the caches."""

    def __init__(self, client: KubeClient, view: View, view_epoch: Callable[[Key], Hashable]) -> None:
        self._client = client
        self._view = view
        self._view_epoch = view_epoch

    async def verify(self, cluster: Cluster, memory: ClusterMemory) -> Check | Gone | Done | Retry:
        """Make sure that what is about to be acted on is no old view; without asking where it can be none.

        The caches may be behind, and in a new view epoch they may have missed things: then the
        cluster's pods are listed once. Its own object is read before every pass that writes, but for the
        first one of a cluster that we saw being created: there is nothing yet that could be lost.
        """
        newborn, memory.newborn = memory.newborn, False
        seen_since = memory.verified_epoch == self._view_epoch(cluster.key)
        if newborn and seen_since and cluster.generation == 1:
            return Check.NOTHING_ASKED
        failure, live = await asyncio.gather(
            self._verify_pods(cluster.key, memory), self._client.get(paths.cluster(cluster.key))
        )
        if failure is not None:
            return failed(failure, "list the pods")
        if isinstance(live, ApiFailure):
            if is_gone(live, PLURAL, cluster.key.name):
                self._view.clusters.remove(cluster.key, cluster.uid)
                return Gone()
            return failed(live, "read the cluster")
        self._view.clusters.apply(live, seen=cluster.resource_version)
        now = cluster_from_object(live)
        if (now.uid, now.generation, now.deleting) != (cluster.uid, cluster.generation, cluster.deleting):
            return Done(requeue_after=0.0)
        return Check.ASKED

    async def _verify_pods(self, key: Key, memory: ClusterMemory) -> ApiFailure | None:
        epoch = self._view_epoch(key)
        if memory.verified_epoch == epoch:
            return None
        listed = await self._client.list_all(
            paths.pods(key.namespace), {"labelSelector": f"{Label.CLUSTER}={key.name}"}
        )
        if isinstance(listed, ApiFailure):
            return listed
        pods = {pod.uid: pod for pod in map(pod_from_object, listed.items)}
        # A pod whose cluster label has another value by now is not listed, and lives.
        known = (p for p in self._view.pods.owned_by(key) if p.resource_version <= listed.resource_version)
        missing = [pod for pod in known if pod.uid not in pods]
        for answer in await asyncio.gather(*(self._get_pod(key, pod.name) for pod in missing)):
            if isinstance(answer, ApiFailure):
                return answer
            if answer is not None:
                pods[answer.uid] = answer
        self._view.pods.replace_owned(key, pods.values(), listed.resource_version)
        memory.verified_epoch = epoch
        return None

    async def _get_pod(self, key: Key, name: str) -> Pod | ApiFailure | None:
        """The pod of this name as it is now; none where there is none."""
        answer = await self._client.get(f"{paths.pods(key.namespace)}/{name}")
        if isinstance(answer, ApiFailure):
            return None if is_gone(answer, "pods", name) else answer
        return pod_from_object(answer)

    async def look_for_head(self, cluster: Cluster, memory: ClusterMemory) -> Check | Retry:
        """Before a head is made: the last one may live on without the label or the owner that we find it by.

        Whatever its labels and its owner are, it is the one that the status names, and its Ray goes on.
        """
        head = cluster.status.get("head")
        name = head.get("podName") if isinstance(head, dict) else None
        if not is_object_name(name):  # Anybody who may write the status can have written it.
            return Check.NOTHING_ASKED
        pod = await self._get_pod(cluster.key, name)
        if isinstance(pod, ApiFailure):
            return failed(pod, "look for the head")
        if pod is not None and not pod.ended and (pod.owner is None or pod.owner.uid == cluster.uid):
            memory.stray_head = pod
            memory.stray_until = asyncio.get_running_loop().time() + OUT_OF_VIEW_SECONDS
        return Check.ASKED


def failed(failure: ApiFailure, what: str) -> Retry:
    """Try again: what an unanswered request asked for may be had soon, other trouble takes its time."""
    at_most = UNANSWERED_BACKOFF if policy(failure) is Policy.RETRY else None
    at_least = min(failure.retry_after or 0.0, LONGEST_HOLD)
    return Retry(f"could not {what}: {failure.message}", at_most, at_least)
