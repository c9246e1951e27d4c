"""One run of the operator in a namespace of its own, behind a proxy of its own."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from support.faults.bed import FaultBed
from support.faults.broken_planners import PLANNERS
from support.faults.history import Change, Object
from support.faults.operator_thread import OperatorThread
from support.faults.oracle import Run, judge
from support.faults.quiet import LOOK_S, Quiet
from support.faults.rules import Script
from support.faults.scenario import Apply, Scenario, Step
from support.faults.wanted import GROUP, NODE_TYPE, Wanted, labels, owner_uid

SETTLE_S = 60.0
QUIET_S = 1.3
"""A status that may wait is written within one second; this long without a write is rest."""
_RESTLESS_S = 15.0


class RunningOperator(Protocol):
    """An operator that can be ended at any time."""

    def start(self) -> None: ...
    def drop(self) -> None: ...


Launch = Callable[["Trial"], RunningOperator]


def in_process(trial: "Trial") -> RunningOperator:
    """An operator in a thread of this process."""
    return OperatorThread(trial.proxy.port, trial.bed.token, trial.arguments, decide=PLANNERS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run, in numbers that two runs of a scenario must have in common."""

    created: Mapping[str, int]
    """Children by group, and Services."""
    deleted: Mapping[str, int]
    """Pods that the operator deleted, by group."""
    kept: Mapping[str, int]
    """Pods that were there before the first step and still are, by group."""
    epochs: Mapping[str, int]


class Trial:
    """A namespace, a proxy and an operator. To be closed."""

    def __init__(self, bed: FaultBed, words: str, launch: Launch = in_process) -> None:
        self.bed = bed
        self.namespace = bed.namespace(words)
        self.history = bed.history(self.namespace)
        self.proxy = bed.proxy()
        self._launch = launch
        self._operator: RunningOperator | None = None
        self._armed: Mapping[str, Object] = {}
        self._writes_before = 0
        self.deaths = 0
        self.max_gpus: int | None = None

    @property
    def arguments(self) -> list[str]:
        name = self.namespace.name
        return ["--namespace", name, "--lease-namespace", name, "--identity", "operator-0"]

    def start(self) -> None:
        self._operator = self._launch(self)
        self._operator.start()

    def crash(self) -> None:
        """Cut the operator off, and end it."""
        self.bed.loop.run(self.proxy.die())
        if self._operator is not None:
            self._operator.drop()
            self._operator = None
        self.deaths += 1

    def restart(self, script: Script | None = None) -> None:
        """Start the next operator with the same identity."""
        self.proxy.script = script or Script()
        self.bed.loop.run(self.proxy.start())
        self.start()

    def close(self) -> None:
        self.bed.loop.run(self.proxy.die())
        if self._operator is not None:
            self._operator.drop()
        self.bed.loop.run(self.proxy.close())
        self.namespace.api.close()

    def prepare(self, scenario: Scenario) -> None:
        """Start the operator and create what the scenario takes for given, undisturbed."""
        if scenario.max_gpus is not None:
            self.max_gpus = scenario.max_gpus
            self.namespace.annotate({"rayfleet.io/max-gpus": str(scenario.max_gpus)})
        self.start()
        if scenario.given:
            self.do(Apply(scenario.given))
            self.come_to_rest(Wanted(scenario.given))

    def arm(self, script: Script) -> None:
        """Disturb the operator by this script from now on."""
        self._armed = {str(p["metadata"]["uid"]): p for p in self.history.objects("pods")}
        self._writes_before = len(self.proxy.writes)
        self.proxy.script = script

    def do(self, step: Step) -> None:
        step.act(self.namespace, self.history)

    def settle(
        self, wanted: Wanted, seconds: float = SETTLE_S, *, revived_with: Callable[[], Script] = Script
    ) -> None:
        """Wait until all is as desired. An operator that dies is restarted, under a new script."""
        deadline = time.monotonic() + seconds
        while words := self.history.look(wanted.missing):
            self.check_alive()
            if self.proxy.dead:
                self.crash()
                self.restart(revived_with())
            left = deadline - time.monotonic()
            assert left > 0, f"timed out after {seconds:g} s waiting for the goal: {words}\n{self.words()}"
            self.history.pause(0.05)

    def rest(self, within: float = _RESTLESS_S) -> None:
        """Wait until nothing has been written for a while. Fails if writes do not end in time."""
        deadline = time.monotonic() + within
        quiet = Quiet([self.proxy])
        while quiet.look() < QUIET_S:
            assert time.monotonic() < deadline, f"the operator does not stop writing:\n{self.words()}"
            if self.proxy.dead:
                self.crash()
                self.restart()
            self.history.pause(LOOK_S)

    def come_to_rest(self, wanted: Wanted, seconds: float = SETTLE_S) -> None:
        """Wait until all is as desired and stays so without a write."""
        deadline = time.monotonic() + seconds
        while True:
            self.settle(wanted, deadline - time.monotonic())
            self.rest()
            if not self.history.look(wanted.missing):
                return

    def check_alive(self) -> None:
        """Fail if the operator has ended by itself."""
        failure = getattr(self._operator, "failure", None)
        assert failure is None, f"the operator has ended: {failure!r}"

    def verdict(self) -> list[str]:
        """All findings about the run."""
        self.bed.catch_up(self.namespace)
        return judge(self.run)

    def server_version(self) -> int:
        """The API server's resourceVersion at this moment."""
        listed = self.namespace.api.call("GET", f"/api/v1/namespaces/{self.namespace.name}/pods", limit="1")
        return int(listed["metadata"]["resourceVersion"])

    @property
    def run(self) -> Run:
        return Run(self.history.changes, tuple(self.proxy.exchanges), max_gpus=self.max_gpus)

    @property
    def writes(self) -> int:
        """Mutating calls since it was armed."""
        return len(self.proxy.writes) - self._writes_before

    def outcome(self) -> Outcome:
        changes = self.history.changes
        created = _first_seen(changes)
        gone = self.run.deleted_by_operator
        alive = {str(pod["metadata"]["uid"]) for pod in self.history.objects("pods")}
        clusters = self.history.objects("rayclusters")
        return Outcome(
            created=Counter(map(_group, created.values())),
            deleted=Counter(_group(obj) for uid, obj in created.items() if uid in gone),
            kept=Counter(_group(pod) for uid, pod in self._armed.items() if uid in alive),
            epochs={
                str(c["metadata"]["name"]): (c.get("status") or {}).get("headEpoch", 0) for c in clusters
            },
        )

    def words(self) -> str:
        """The last writes and statuses, for the message of a failure."""
        writes = [f"  {e.call} -> {e.status}, received {e.received}" for e in self.proxy.writes[-12:]]
        clusters = [
            f"  {c['metadata']['name']}: {json.dumps(c.get('status'))}"
            for c in self.history.objects("rayclusters")
        ]
        return "\n".join([f"namespace {self.namespace.name}; the last writes:", *writes, *clusters])


def _first_seen(changes: list[Change]) -> dict[str, Object]:
    """Every pod and Service of a cluster that ever existed, by uid."""
    return {
        change.uid: change.obj
        for change in reversed(changes)
        if change.kind in {"pods", "services"} and owner_uid(change.obj)
    }


def _group(obj: Object) -> str:
    cluster = labels(obj).get("ray.io/cluster", "")
    return f"{cluster}/{labels(obj).get(GROUP) or labels(obj).get(NODE_TYPE) or 'service'}"
