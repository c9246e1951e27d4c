"""Posting events (events.k8s.io/v1). They inform: one that cannot be posted is counted, not retried."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rayfleet.api.names import API_VERSION, KIND
from rayfleet.engine.gate import FairGate
from rayfleet.engine.pacing import Tellings, Topic
from rayfleet.errors import ApiFailure
from rayfleet.kinds.raycluster.status import Event
from rayfleet.kube.client import paths
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.events import Telling, event_body
from rayfleet.kube.objects.roots import Cluster

log = logging.getLogger(__name__)

_SETTLES = {
    "ValidRayClusterSpec": "InvalidRayClusterSpec",
    "CreatedHeadPod": "FailedToCreateHeadPod",
    "CreatedWorkerPod": "FailedToCreateWorkerPod",
    "DeletedHeadPod": "FailedToDeleteHeadPod",
    "DeletedWorkerPod": "FailedToDeleteWorkerPod",
}
"""What an event puts an end to: the next warning of that reason is news again."""


def loop_time() -> float:
    """The running loop's own clock, which nobody sets."""
    return asyncio.get_running_loop().time()


class EventRecorder:
    """Posts events about clusters, and logs them; a warning in the same words only once in a row.

    Of those that a head's answers cause, so many as there are tokens for; the others are told of together.
    """

    def __init__(
        self,
        client: KubeClient,
        gate: FairGate,
        instance: str,
        clock: Callable[[], float] = loop_time,
    ) -> None:
        self._clock = clock
        self._client = client
        self._gate = gate
        self._instance = instance

    async def post(self, cluster: Cluster, events: Iterable[Event], now: float, tellings: Tellings) -> None:
        """Post and log `events`, leaving out warnings that repeat the last one of their reason."""
        clock = self._clock()
        while (late := tellings.release(clock)) is not None:
            await self._post(cluster, late, now)
        for event in events:
            if event.type == "Warning":
                if tellings.said.get(event.reason) == event.note:
                    continue
                tellings.said[event.reason] = event.note
            tellings.said.pop(_SETTLES.get(event.reason, ""), None)
            if event.heard and not tellings.take(Topic.EVENT, clock):
                tellings.withhold(event)
            else:
                await self._post(cluster, event, now)

    async def _post(self, cluster: Cluster, event: Event, now: float) -> None:
        extra = {"cluster": str(cluster.key), "action": event.action, "reason": event.reason}
        log.log(logging.WARNING if event.type == "Warning" else logging.INFO, event.note, extra=extra)
        async with self._gate.turn(cluster.key, yields=True):
            answer = await self._client.create(
                paths.events(cluster.key.namespace), self._body(cluster, event, now)
            )
        if isinstance(answer, ApiFailure):
            log.warning(
                "An event could not be posted",
                extra={"cluster": str(cluster.key), "event": event.reason, "reason": answer.message},
            )

    def _body(self, cluster: Cluster, event: Event, now: float) -> Mapping[str, Any]:
        metadata = {"generateName": f"{cluster.key.name}-", "namespace": cluster.key.namespace}
        regarding = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": cluster.key.namespace,
            "name": cluster.key.name,
            "uid": cluster.uid,
            "resourceVersion": str(cluster.resource_version),
        }
        telling = Telling(event.type, event.reason, event.action, event.note)
        return event_body(metadata, regarding, telling, now, self._instance)
