"""Posts events (events.k8s.io/v1). They only inform: a failed post is counted and logged, not retried."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rayfleet.engine.event import Event
from rayfleet.engine.gate import FairGate
from rayfleet.engine.pacing import ReportBudget, Topic
from rayfleet.errors import ApiFailure
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.client.events import EventContent, event_body
from rayfleet.kube.objects.resources import EVENTS, Resource
from rayfleet.kube.objects.roots import Root

log = logging.getLogger(__name__)


def loop_time() -> float:
    """The monotonic clock of the running event loop."""
    return asyncio.get_running_loop().time()


class EventRecorder:
    """Posts events about roots, and logs them. A warning with the same note is posted once in a row.

    An event that a head's answers cause takes a token; without one it is withheld, and posted later together
    with others of its reason.
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

    async def post(
        self, resource: Resource, root: Root, events: Iterable[Event], now: float, budget: ReportBudget
    ) -> None:
        """Post and log `events`, leaving out warnings that repeat the last one of their reason."""
        clock = self._clock()
        while (late := budget.release(clock)) is not None:
            await self._post(resource, root, late, now)
        for event in events:
            if event.type == "Warning":
                if budget.last_notes.get(event.reason) == event.note:
                    continue
                budget.last_notes[event.reason] = event.note
            budget.last_notes.pop(event.settles, None)
            if event.heard and not budget.take(Topic.EVENT, clock):
                budget.withhold(event)
            else:
                await self._post(resource, root, event, now)

    async def _post(self, resource: Resource, root: Root, event: Event, now: float) -> None:
        extra = {"cluster": str(root.key), "action": event.action, "reason": event.reason}
        log.log(logging.WARNING if event.type == "Warning" else logging.INFO, event.note, extra=extra)
        async with self._gate.turn(root.key, yields=True):
            answer = await self._client.create(
                EVENTS.collection(root.key.namespace), self._body(resource, root, event, now)
            )
        if isinstance(answer, ApiFailure):
            log.warning(
                "An event could not be posted",
                extra={"cluster": str(root.key), "event": event.reason, "reason": answer.message},
            )

    def _body(self, resource: Resource, root: Root, event: Event, now: float) -> Mapping[str, Any]:
        metadata = {"generateName": f"{root.key.name}-", "namespace": root.key.namespace}
        regarding = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": root.key.namespace,
            "name": root.key.name,
            "uid": root.uid,
            "resourceVersion": str(root.resource_version),
        }
        content = EventContent(event.type, event.reason, event.action, event.note)
        return event_body(metadata, regarding, content, now, self._instance)
