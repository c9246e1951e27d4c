"""Reads the ceilings set by annotations of a namespace, when a cluster in it is about to grow."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable

from rayfleet.autoscaling.limits import NamespaceCeilings, ceilings_from_annotations, unknown_ceilings
from rayfleet.errors import ApiFailure, Policy, is_gone, policy
from rayfleet.kube.client.client import KubeClient

log = logging.getLogger(__name__)

FRESH_SECONDS = 30.0
"""How long a reading is reused, and so how late a changed annotation is noticed."""
WITHIN_SECONDS = 2.0


class NamespaceCeilingsReader:
    """Reads one namespace at a time, by name: that needs the right to `get` it, and none to list others.

    Without that right there are no such ceilings, `unavailable` says so, and nothing else is affected. If the
    namespace cannot be read for another reason, the last reading counts; without one, no GPUs are added.
    """

    def __init__(self, client: KubeClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[float, NamespaceCeilings]] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.unavailable: str | None = None
        """Why annotations of namespaces cannot be read: the API server's message."""

    async def read(self, namespace: str) -> NamespaceCeilings:
        """The ceilings of a namespace, at most FRESH_SECONDS old if the API server answers."""
        async with self._locks[namespace]:
            known = self._known.get(namespace)
            if known is not None and self._clock() - known[0] < FRESH_SECONDS:
                return known[1]
            answer = await self._client.get(f"/api/v1/namespaces/{namespace}", within=WITHIN_SECONDS)
            if isinstance(answer, ApiFailure) and not _is_verdict(answer, namespace):
                return known[1] if known is not None else unknown_ceilings(answer.message)
            ceilings = self._from_answer(answer)
            self._known[namespace] = self._clock(), ceilings
            return ceilings

    def _from_answer(self, answer: dict[str, object] | ApiFailure) -> NamespaceCeilings:
        if isinstance(answer, ApiFailure):
            if policy(answer) is Policy.DENIED:
                if self.unavailable is None:
                    log.warning("Ceilings set by annotations of namespaces are ignored: %s", answer.message)
                self.unavailable = answer.message
            return NamespaceCeilings()
        self.unavailable = None
        metadata = answer.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        return ceilings_from_annotations(annotations or {})


def _is_verdict(failure: ApiFailure, namespace: str) -> bool:
    """Whether the failure means that there are no ceilings: they are forbidden, or the namespace is gone."""
    return policy(failure) is Policy.DENIED or is_gone(failure, "namespaces", namespace)
