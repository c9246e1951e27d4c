"""Cases that run side by side in one test bed, each of them a test of its own."""

import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from support.faults.bed import FaultBed

SEED = int(os.environ.get("FAULTS_SEED") or "1")
"""The seed of the whole run; each case draws its own from it."""
SIDE_BY_SIDE = 16

TALLY: Counter[str] = Counter()
"""What cases counted, for the end of the report."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `run` gets the bed, and a seed for whatever it leaves to chance."""

    name: str
    run: Callable[[FaultBed, int], None]

    @property
    def seed(self) -> int:
        return zlib.crc32(f"{SEED}/{self.name}".encode())

    def __str__(self) -> str:
        return self.name


class SideBySide:
    """Runs cases a few at a time, in the order in which their tests ask for them."""

    def __init__(self, bed: FaultBed, cases: Iterable[Case], at_a_time: int = SIDE_BY_SIDE) -> None:
        self._pool = ThreadPoolExecutor(at_a_time, thread_name_prefix="case")
        self._results: dict[Case, Future[None]] = {
            case: self._pool.submit(case.run, bed, case.seed) for case in cases
        }

    def result(self, case: Case, test: str) -> None:
        """Wait for a case. A failure comes with its seed and the command that runs it alone."""
        try:
            self._results[case].result()
        except Exception as error:
            error.add_note(f"The case's seed is {case.seed}. To run it alone:")
            error.add_note(f"  make faults SEED={SEED} CASE='{test}'")
            raise

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
