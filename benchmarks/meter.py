"""What the operator and the control plane have used since a moment: CPU, memory, calls."""

from typing import Any

from benchmarks.audit import AuditLog, by_verb, mutating
from benchmarks.bed import daemon_cpu
from benchmarks.operator_process import OperatorProcess, own_cpu
from testbed.record import Bed

MIB = 1024 * 1024
MS = 1000


class Meter:
    """Counts from the moment at which it is made."""

    def __init__(self, bed: Bed, audit: AuditLog, running: OperatorProcess) -> None:
        self._bed, self._audit, self._running = bed, audit, running
        audit.mark()
        running.forget_peak()
        self._before = self._now()

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU of each program that takes part."""
        return {name: round(used - self._before.get(name, 0.0), 2) for name, used in self._now().items()}

    def mutating(self) -> int:
        """Writes of the operator, those to its lease aside."""
        return mutating(self._audit.calls())

    def figures(self, pods: int) -> dict[str, Any]:
        """All of it; CPU for each of `pods`."""
        cpu, calls = self.cpu(), self._audit.calls()
        return {
            "cpu_ms_per_pod": MS * cpu["operator"] / pods,
            "peak_rss_mib": self._running.peak_rss() / MIB,
            "calls_by_verb": by_verb(calls),
            "calls": dict(calls.most_common()),
            "cpu_s": cpu,
        }

    def _now(self) -> dict[str, float]:
        return {"operator": self._running.cpu(), "harness": own_cpu(), **daemon_cpu(self._bed)}
