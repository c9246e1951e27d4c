"""Two operators for one namespace, each a process behind a proxy that puts its name into the audit log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from support.audit import Write, writes_by_agent
from support.faults.bed import FaultBed
from support.faults.killed_process import KilledProcess
from support.faults.oracle import Run, judge
from support.faults.quiet import Quiet
from support.faults.trial import Trial
from support.waiting import eventually

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/rayfleet-leader"


class TwoLeaders:
    """A trial whose operators are called `alpha`, who leads, and `beta`, who stands by."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._proxies = {name: trial.bed.proxy(name) for name in ("alpha", "beta")}
        self._killed = {name: KilledProcess(trial, proxy.port, name) for name, proxy in self._proxies.items()}
        self.alpha = self._killed["alpha"].process
        self.beta = self._killed["beta"].process

    def start(self) -> None:
        """Start both, alpha first."""
        self.alpha.start(wait=False)
        eventually("alpha to lead", lambda: self.holder == "alpha", seconds=30, why=self.alpha.last_words)
        self.beta.start(wait=False)
        self.await_look("beta")

    def await_look(self, name: str) -> None:
        """Wait until one of the two, its caches filled, looks at the Lease (once more)."""
        proxy, begun = self._proxies[name], time.monotonic()

        def looked() -> bool:
            return any(
                call.resource == "leases" and call.name and at > begun for at, call in tuple(proxy.calls)
            )

        why = self._killed[name].process.last_words
        eventually(f"{name} to look at the Lease", looked, seconds=30, why=why)

    def close(self) -> None:
        for name, killed in self._killed.items():
            killed.drop()
            self.trial.bed.loop.run(self._proxies[name].close())

    @property
    def lease(self) -> str:
        return LEASES.format(self.trial.namespace.name)

    @property
    def holder(self) -> str:
        """Who leads; empty when nobody does."""
        if not self.trial.namespace.api.exists(self.lease):
            return ""
        lease = self.trial.namespace.api.call("GET", self.lease)
        return str(lease["spec"].get("holderIdentity") or "")

    def take_lease(self) -> None:
        """Somebody else takes the Lease for a second: then whoever leads begins another term."""
        spec = {"holderIdentity": "stranger", "leaseDurationSeconds": 1}
        body, kind = {"spec": spec}, "application/merge-patch+json"
        self.trial.namespace.api.call("PATCH", self.lease, body, content_type=kind)

    def writes(self, of: str, since: float = 0.0) -> list[Write]:
        """By the audit log; `since` in Unix seconds."""
        log = self.trial.bed.control_plane.audit_log
        assert log is not None
        written = writes_by_agent(log, self.trial.namespace.name)
        return [write for write in written if write.agent.endswith(of) and write.at > since]

    def rest(self, seconds: float = 20.0) -> None:
        """Wait until neither has written anything for two seconds."""
        quiet = Quiet(tuple(self._proxies.values()))
        eventually("both operators to rest", lambda: quiet.look() > 2.0, seconds=seconds)

    def verdict(self) -> list[str]:
        """What is wrong with what the two have done together."""
        self.trial.bed.catch_up(self.trial.namespace)
        exchanges = [e for proxy in self._proxies.values() for e in tuple(proxy.exchanges)]
        return judge(Run(self.trial.history.changes, exchanges))


@contextmanager
def two_leaders(bed: FaultBed, words: str) -> Iterator[TwoLeaders]:
    """Both operators, started; gone after the block."""
    trial = Trial(bed, words)
    both = TwoLeaders(trial)
    try:
        both.start()
        yield both
    finally:
        both.close()
        trial.close()
