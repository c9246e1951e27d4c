"""A run of the operator over a cluster that follows the queue of a pretended Ray."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rayfleet.wiring import Operator
from support.builders import raycluster
from support.faults.bed import FaultBed
from support.faults.broken_planners import PLANNERS
from support.faults.history import states
from support.faults.operator_thread import OperatorThread
from support.faults.proxy import Exchange
from support.faults.rays import FaultyRay
from support.faults.rules import Script
from support.faults.trial import Launch, Outcome, Trial, in_process
from support.faults.wanted import CLUSTER as CLUSTER_LABEL
from support.faults.wanted import HOSTS, NODE_TYPE, Wanted, active, labels
from support.queue_scene import GROUP, elastic, gpu_group

CLUSTER = "demo"
MAXIMUM = 5
_DONE = 200
_RECENT_S = 5.0
"""Work that has ended since may be the reason for a worker."""


@dataclass(frozen=True, slots=True)
class QueueScenario:
    """`busy` tasks have a worker each; then more are submitted, or some of them end."""

    name: str
    busy: int
    submit: int = 0
    finish: int = 0
    group: str = GROUP
    writes: int = 0
    """The most mutating calls that the operator makes for it if nothing disturbs it."""

    @property
    def wanted(self) -> Wanted:
        """At the end there is a worker for each task."""
        return of_size(self.busy + self.submit - self.finish, self.group)


SCENARIOS: Mapping[str, QueueScenario] = {
    scenario.name: scenario
    for scenario in (
        QueueScenario("queue-up", busy=1, submit=2, writes=8),
        QueueScenario("queue-down", busy=3, finish=2, writes=12),
        QueueScenario("slices-down", busy=4, finish=2, group="tpu", writes=12),
    )
}


def of_size(workers: int, group: str = GROUP) -> Wanted:
    """A namespace at rest with so many workers."""
    return Wanted({CLUSTER: {group: workers // HOSTS.get(group, 1)}})


class QueueTrial(Trial):
    """Its one cluster follows `ray`. To be closed."""

    def __init__(self, bed: FaultBed, words: str, launch: Launch = in_process) -> None:
        super().__init__(bed, words, launch)
        self.ray = FaultyRay(self.proxy, self.namespace.name)
        bed.rays.follow(self.namespace.name, CLUSTER, self.ray)
        bed.kubelet.on_this_machine.add(self.namespace.name)

    def begin(self, busy: int, group: str = GROUP) -> None:
        """Start the operator and submit `busy` tasks that have a worker each in this group."""
        self.start()
        fields = gpu_group(group, maxReplicas=MAXIMUM, numOfHosts=HOSTS.get(group, 1))
        self.namespace.apply(raycluster(CLUSTER, spec_fields=elastic(fields)))
        self.come_to_rest(of_size(0, group))
        self.ray.submit(busy)
        self.come_to_rest(of_size(busy, group))
        assert len(self.ray.busy) == busy

    def change(self, scenario: QueueScenario) -> None:
        """What happens to the queue."""
        self.ray.submit(scenario.submit)
        self.ray.finish(*sorted(self.ray.busy)[: scenario.finish])

    def shrinking(self, since: float = 0.0) -> list[Exchange]:
        """Pods deleted and nodes drained since a moment (monotonic)."""
        exchanges = [e for e in tuple(self.proxy.exchanges) if e.at >= since]
        return [e for e in exchanges if e.call.verb in {"delete", "drain"}]

    @contextmanager
    def nothing_shrinks(self, seconds: float) -> Iterator[None]:
        """Nothing shrinks for `seconds` after the block, which causes the trouble."""
        began = time.monotonic()
        yield
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check_alive()
            asked = self.shrinking(began)
            assert not asked, f"it shrank while the queue was not known: {asked[0].call}\n{self.words()}"
            self.history.pause(min(left, 0.2))

    def verdict(self) -> list[str]:
        """The findings of the trial and of Ray."""
        return [*super().verdict(), *self.ray.lost, *self._idle_hands()]

    def _idle_hands(self) -> Iterator[str]:
        """Workers that were created although there were enough for all the work of the last seconds."""
        drained = {
            e.call.name: e.at for e in self.run.exchanges if e.call.verb == "drain" and e.status == _DONE
        }
        for change, before in states(self.history.changes):
            if not _is_worker(change.obj) or change.gone or change.name in before.of("pods"):
                continue
            pods = [pod for pod in before.of("pods").values() if _is_worker(pod) and active(pod)]
            names = [str(pod["metadata"]["name"]) for pod in pods]
            there = sum(drained.get(name, change.at) >= change.at for name in names) + 1
            work = self.ray.most_work(change.at - _RECENT_S, change.at)
            if there > work:
                yield f"worker {change.name} was made, number {there}, for {work} tasks"

    def check(self) -> None:
        """Fail if anything happened that must not."""
        wrong = self.verdict()
        assert not wrong, "\n".join([*wrong, self.words()])


def _is_worker(obj: Mapping[str, Any]) -> bool:
    of = labels(obj)
    return of.get(NODE_TYPE) == "worker" and of.get(CLUSTER_LABEL) == CLUSTER


_made: dict[str, tuple[Outcome, int]] = {}
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def undisturbed(bed: FaultBed, scenario: QueueScenario) -> tuple[Outcome, int]:
    """The result of the scenario without a fault, and its number of writes."""
    with _locks[scenario.name]:
        if scenario.name not in _made:
            with queue_trial(bed, scenario.name) as trial:
                _run(trial, scenario, Script())
                _made[scenario.name] = trial.outcome(), trial.writes
        return _made[scenario.name]


def perform(bed: FaultBed, scenario: QueueScenario, script: Script, launch: Launch = in_process) -> None:
    """Run the scenario with faults; fails unless the result is the same as without them."""
    with queue_trial(bed, scenario.name, launch) as trial:
        _run(trial, scenario, script)
        wanted, found = undisturbed(bed, scenario)[0], trial.outcome()
        assert found == wanted, f"the result is {found},\nundisturbed {wanted}\n{trial.words()}"


def _run(trial: QueueTrial, scenario: QueueScenario, script: Script) -> None:
    trial.begin(scenario.busy, scenario.group)
    trial.arm(script)
    script.begin()
    trial.change(scenario)
    trial.come_to_rest(scenario.wanted)
    trial.check()


def often_polled(trial: Trial) -> OperatorThread:
    """An operator that asks each head as often as it may."""

    def adapt(operator: Operator) -> None:
        async def poke() -> None:
            while True:
                for key in tuple(operator._clusters):
                    operator._poller.poke(key)
                await asyncio.sleep(0.1)

        operator._recorder.poking = asyncio.create_task(poke())  # type: ignore[attr-defined]  # kept alive

    return OperatorThread(trial.proxy.port, trial.bed.token, trial.arguments, adapt, PLANNERS)


@contextmanager
def queue_trial(bed: FaultBed, words: str, launch: Launch = in_process) -> Iterator[QueueTrial]:
    """One that is closed after the block."""
    trial = QueueTrial(bed, words, launch)
    try:
        yield trial
    finally:
        trial.close()
