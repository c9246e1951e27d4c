"""When an operator is idle, judged by the CPU that it uses."""

import asyncio
import time

from benchmarks.operator_process import OperatorProcess
from benchmarks.waiting import TooLongError

SAMPLE_EVERY = 0.1
BUSY = 0.3
"""Share of a core above which a sample counts as work."""
QUIET_FOR = 3.0
"""Seconds without such a sample that count as rest."""


async def last_work(running: OperatorProcess, begun: float, *, within: float) -> float:
    """Seconds from `begun` to the last work before it rests. Raises TooLongError if it does not rest."""
    last_busy = before_at = time.monotonic()
    before = running.cpu()
    while time.monotonic() - last_busy < QUIET_FOR:
        running.check()
        await asyncio.sleep(SAMPLE_EVERY)
        now, used = time.monotonic(), running.cpu()
        if (used - before) / (now - before_at) > BUSY:
            last_busy = now
        before, before_at = used, now
        if now - begun > within:
            raise TooLongError(f"the operator is still working after {within:.0f} s")
    return last_busy - begun
