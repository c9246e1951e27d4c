"""All metrics as text, in the format that the scraper asks for, without holding up the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from time import perf_counter

from msgspec import Struct, field
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from rayfleet.kube.cache import Glance, RootStore
from rayfleet.telemetry.metrics.definition import Definition, Type
from rayfleet.telemetry.metrics.lines import Line

SLICE_SECONDS = 0.005
"""The longest that a scrape works before the event loop gets a turn."""
LINES = 1000
"""How many lines of a metric are joined at once."""
END = b"# EOF\n"
"""The end of an answer in the OpenMetrics format."""


async def _next_turn() -> None:
    await asyncio.sleep(0)


class _Family(Struct):
    """The samples of one metric. As text they take half the memory that they take as lines."""

    metric: Definition
    _lines: list[str] = field(default_factory=list)
    _parts: list[bytes] = field(default_factory=list)

    def add(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= LINES:
            self._join()

    def parts(self, *, is_open_metrics: bool) -> Sequence[bytes]:
        """Its text with its header, in parts; nothing if there are no samples."""
        if self._lines:
            self._join()
        if self._parts:
            self._parts[0] = _header(self.metric, is_open_metrics=is_open_metrics).encode() + self._parts[0]
        return self._parts

    def _join(self) -> None:
        self._parts.append("".join(self._lines).encode())
        self._lines.clear()


class Shown(Struct, frozen=True):
    """The objects of one kind that have series of their own. No metric is of two kinds."""

    store: RootStore
    lines: Callable[[Glance], Iterable[Line]]
    """The samples of one object, each with its metric."""


class Exposition(Struct, frozen=True):
    """The registry of one operator, and the kinds that it shows object by object."""

    registry: CollectorRegistry
    kinds: Sequence[Shown]
    leading: Callable[[], bool]
    """Only the leader shows them, as every replica is scraped."""
    pause: Callable[[], Awaitable[None]] = _next_turn

    def answer(self, accept: str) -> tuple[str, AsyncGenerator[bytes, None]]:
        """The content type for an Accept header, and the text in parts."""
        encode, content_type = choose_encoder(accept)
        return content_type, self._parts(encode)

    async def _parts(self, encode: Callable[[CollectorRegistry], bytes]) -> AsyncGenerator[bytes, None]:
        text = encode(self.registry)
        is_open_metrics = text.endswith(END)
        yield text.removesuffix(END)
        for shown in self.kinds:
            await self.pause()
            families = await self._families(shown)
            if not self.leading():  # Another one may show them by now.
                break
            for name in list(families):
                for part in families.pop(name).parts(is_open_metrics=is_open_metrics):
                    yield part
        if is_open_metrics:
            yield END

    async def _families(self, shown: Shown) -> dict[str, _Family]:
        """The text of each metric of a kind; the lines of one object are from the same moment."""
        families: dict[str, _Family] = {}
        turn = perf_counter()
        for key in shown.store:
            if perf_counter() - turn > SLICE_SECONDS:
                await self.pause()
                turn = perf_counter()
            if not self.leading():
                break
            root = shown.store.glance(key)
            if root is None:
                continue
            for metric, line in shown.lines(root):
                family = families.get(metric.name)
                if family is None:
                    family = families[metric.name] = _Family(metric)
                family.add(line)
        return families


def _header(metric: Definition, *, is_open_metrics: bool) -> str:
    name = metric.name
    if is_open_metrics and metric.type is Type.COUNTER:
        name = name.removesuffix("_total")  # There it is part of the samples' names only.
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.type}\n"
