"""Waits until the API server serves the CRDs: Helm installs them and the operator in any order."""

import asyncio
import logging
from collections.abc import Iterable

from rayfleet.errors import ApiFailure
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.resources import Resource

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0


async def wait_until_served(client: KubeClient, resources: Iterable[Resource]) -> None:
    """Wait until the API server serves all of these."""
    for resource in resources:
        while not await _is_served(client, resource):
            await asyncio.sleep(POLL_SECONDS)


async def _is_served(client: KubeClient, resource: Resource) -> bool:
    answer = await client.get(resource.root)
    if isinstance(answer, ApiFailure):
        log.info("Waiting for the %s CRD: %s", resource.kind, answer.message)
        return False
    return any(served.get("name") == resource.plural for served in answer.get("resources") or ())
