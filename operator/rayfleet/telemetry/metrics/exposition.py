"""All metrics as text, in the format that the scraper asks for, never holding the event loop for long."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rayfleet.kube.cache import Glance, RootStore, Store
from rayfleet.kube.objects.pods import Pod
from rayfleet.telemetry.metrics import definitions
from rayfleet.telemetry.metrics.definitions import Definition

SLICE_SECONDS = 0.005
"""The longest that a scrape works without letting others have a turn."""
END = b"# EOF\n"
"""What an answer in the OpenMetrics format ends with."""


async def _next_turn() -> None:
    await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Exposition:
    """The registry of one operator, and its caches."""

    registry: CollectorRegistry
    clusters: RootStore
    pods: Store[Pod]
    lines: Callable[[Glance, Iterable[Pod]], Iterable[tuple[Definition, str]]]
    """The samples of one cluster, each with the metric that it belongs to."""
    leading: Callable[[], bool]
    """The clusters are shown by the leader alone: every replica is scraped."""
    pause: Callable[[], Awaitable[None]] = _next_turn

    def answer(self, accept: str) -> tuple[str, AsyncGenerator[bytes, None]]:
        """The content type for an Accept header, and the text in parts, a metric or more each."""
        encode, content_type = choose_encoder(accept)
        return content_type, self._parts(encode)

    async def _parts(self, encode: Callable[[CollectorRegistry], bytes]) -> AsyncGenerator[bytes, None]:
        text = encode(self.registry)
        yield text.removesuffix(END)
        if self.leading():
            await self.pause()
            families = await self._families()
            for of in definitions.CLUSTERS.definitions:
                await self.pause()
                lines = families.pop(of.name)
                if lines:
                    yield "".join((_header(of), *lines)).encode()
        if text.endswith(END):
            yield END

    async def _families(self) -> dict[str, list[str]]:
        """The lines of each metric; those of a cluster are all of one moment."""
        families: dict[str, list[str]] = {of.name: [] for of in definitions.CLUSTERS.definitions}
        turn = perf_counter()
        for key in self.clusters:
            if perf_counter() - turn > SLICE_SECONDS:
                await self.pause()
                turn = perf_counter()
            cluster = self.clusters.glance(key)
            if cluster is not None:
                for of, line in self.lines(cluster, self.pods.owned_by(key)):
                    families[of.name].append(line)
        return families


def _header(of: Definition) -> str:
    return f"# HELP {of.name} {of.help}\n# TYPE {of.name} {of.type}\n"
