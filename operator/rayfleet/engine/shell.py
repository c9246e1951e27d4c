"""kopf's part: the shell of the process. It handles the signals, and calls back when to end.

kopf does not watch RayClusters; see `docs/decisions/0015-clusters-watched-by-the-informer.md`.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import kopf

from rayfleet.kube.client.credentials import Credentials
from rayfleet.kube.client.login import connection_info


class EndlessBackoffs:
    """Delays between attempts without an end; each series of attempts starts from the first.

    kopf's own delays end after 54 s, and then the process ends.
    """

    def __iter__(self) -> Iterator[float]:
        delay = 0.1
        while True:
            yield delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
            delay = min(delay * 2, 5.0)


async def run_shell(
    credentials: Credentials, namespaces: Sequence[str], identity: str, on_end: Callable[[], None]
) -> None:
    """Run kopf until it is asked to end, and then call `on_end`."""
    # Without an identity kopf looks up the user's name, and in the image the user has none.
    name: Any = identity
    await kopf.operator(
        registry=_registry(credentials, on_end),
        settings=_settings(),
        identity=name,
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )


def _settings() -> kopf.OperatorSettings:
    """Settings of kopf with everything that writes or scans switched off."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.process.ultimate_exiting_timeout = None  # It would send SIGKILL during our own stop.
    return settings


def _registry(credentials: Credentials, on_end: Callable[[], None]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.cleanup(registry=registry)
    async def ending(**_: Any) -> None:
        on_end()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection_info(credentials)

    return registry
