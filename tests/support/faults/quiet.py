"""How long operators have been at rest."""

import time
from collections.abc import Sequence

from support.faults.proxy import FaultProxy

LOOK_S = 0.1
"""The most seconds that one look counts for; looks are about this far apart."""


class Quiet:
    """Time without a write through some proxies.

    It is counted look by look, and only while no call is under way: on a busy machine a slow answer, or
    a halt of this process, is not rest.
    """

    def __init__(self, proxies: Sequence[FaultProxy]) -> None:
        self._proxies = proxies
        self._looked = time.monotonic()
        self._writes = self._count()
        self._seconds = 0.0

    def look(self) -> float:
        """Seconds without a write so far."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, LOOK_S), now
        busy, writes = any(proxy.busy for proxy in self._proxies), self._count()
        if writes != self._writes:
            self._seconds, self._writes = 0.0, writes
        elif not busy:
            self._seconds += passed
        return self._seconds

    def _count(self) -> int:
        return sum(len(proxy.writes) for proxy in self._proxies)
