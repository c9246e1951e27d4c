"""kopf's part: our custom resources from the API server into the cache, and a key into the queue."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextvars import Context
from typing import Any

import kopf

from rayfleet.api.names import GROUP, PLURAL, VERSION
from rayfleet.cache import ClusterStore
from rayfleet.clients.credentials import Credentials
from rayfleet.clients.kube import KubeClient
from rayfleet.clients.login import connection_info
from rayfleet.errors import ApiFailure
from rayfleet.snapshot import Key

log = logging.getLogger(__name__)


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing of an object: we compare none, and building it takes half of the time of an event."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: ours do not fail, and write nothing to the objects."""

    def fetch(self, **_: Any) -> kopf.ProgressRecord | None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


class EndlessBackoffs:
    """Delays between attempts, without end, and afresh for each series of attempts.

    kopf's own end after 54 s, and the process with them.
    """

    def __iter__(self) -> Iterator[float]:
        delay = 0.1
        while True:
            yield delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
            delay = min(delay * 2, 5.0)


def operator_settings() -> kopf.OperatorSettings:
    """Kopf with all that writes, scans and copies switched off."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = 0.2
    settings.queueing.exit_timeout = 0.5
    settings.watching.server_timeout = 300
    settings.watching.chunk_size = LIST_CHUNK
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.process.ultimate_exiting_timeout = None  # It would be SIGKILL, in the middle of our own stop.
    return settings


def operator_registry(
    clusters: ClusterStore,
    wake: Callable[[Key], None],
    credentials: Credentials,
    on_end: Callable[[], None],
) -> kopf.OperatorRegistry:
    """The handlers, in a registry of their own."""
    registry = kopf.OperatorRegistry()
    wake = outside_of_the_handler(wake)

    @kopf.on.cleanup(registry=registry)
    async def ending(**_: Any) -> None:
        on_end()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection_info(credentials)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def on_raycluster(event: Mapping[str, Any], **_: Any) -> None:
        obj = event["object"]
        metadata = obj["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        if event["type"] == "DELETED":
            clusters.remove(key, metadata["uid"])
            wake(key)
        elif clusters.apply(obj, born=event["type"] == "ADDED"):
            wake(key)

    return registry


def outside_of_the_handler(wake: Callable[[Key], None]) -> Callable[[Key], None]:
    """`wake`, with no part in the context of the handler that calls it.

    There kopf keeps the event with the whole object, and every task and timer that is begun inside, such as
    the polls of the cluster's head, would keep it for as long as it lives: 40 KB for each cluster.
    """

    def wake_outside(key: Key) -> None:
        Context().run(wake, key)

    return wake_outside


LIST_CHUNK = 100
"""RayClusters of a page of the first list; see `docs/decisions/0007-clusters-listed-in-pages.md`."""
SWEEP_SECONDS = 600.0


async def missed_deletions(
    client: KubeClient, clusters: ClusterStore, namespaces: Sequence[str]
) -> AsyncIterator[Key]:
    """The clusters that are gone though no event said so, looked for every ten minutes, without end.

    kopf does not tell of an object that was deleted while its watch was interrupted.
    """
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        for namespace in namespaces or (None,):
            scope = f"/namespaces/{namespace}" if namespace else ""
            listed = await client.list_metadata(f"/apis/{GROUP}/{VERSION}{scope}/{PLURAL}")
            if isinstance(listed, ApiFailure):
                log.warning("Clusters could not be listed: %s", listed.message)
                continue
            uids = {
                Key(item["metadata"]["namespace"], item["metadata"]["name"]): item["metadata"]["uid"]
                for item in listed.items
            }
            for key in clusters.retain(namespace, uids, listed.resource_version):
                yield key
