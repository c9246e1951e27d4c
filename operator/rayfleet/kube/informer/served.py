"""Whether the API server serves our kind yet: Helm installs the CRD and the operator in any order."""

import asyncio
import logging

from rayfleet.api.names import GROUP, PLURAL, VERSION
from rayfleet.errors import ApiFailure
from rayfleet.kube.client.client import KubeClient

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0


async def wait_until_served(client: KubeClient) -> None:
    """Wait until the API server serves RayClusters."""
    while not await _is_served(client):
        await asyncio.sleep(POLL_SECONDS)


async def _is_served(client: KubeClient) -> bool:
    answer = await client.get(f"/apis/{GROUP}/{VERSION}")
    if isinstance(answer, ApiFailure):
        log.info("Waiting for the RayCluster CRD: %s", answer.message)
        return False
    return any(resource.get("name") == PLURAL for resource in answer.get("resources") or ())
