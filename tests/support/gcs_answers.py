"""Waits for an answer of a real GCS."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from rayfleet.errors import GcsFailure
from support.ray_head import RayHead

T = TypeVar("T")


async def answered(
    what: str, ask: Callable[[], Awaitable[T | GcsFailure]], holds: Callable[[T], object], head: RayHead
) -> T:
    """The first answer for which `holds` is true."""
    found: list[T | GcsFailure] = []
    deadline = monotonic() + 25
    while monotonic() < deadline:
        answer = await ask()
        found[:] = [answer]
        if not isinstance(answer, GcsFailure) and holds(answer):
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(f"timed out after 25 s waiting for {what}; last seen: {found} {head.log()}")
