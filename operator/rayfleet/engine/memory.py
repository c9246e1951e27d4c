"""What the process remembers of a cluster between passes. Losing it costs a restart nothing but time."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.autoscaling import Memory
from rayfleet.autoscaling.limits import NamespaceCeilings
from rayfleet.engine.pacing import Tellings, Topic
from rayfleet.errors import ApiFailure, Policy, is_in_other_order, policy
from rayfleet.kinds.raycluster.healing.endings import Endings
from rayfleet.kinds.raycluster.plan import CreatePod, CreateSecret, DrainNode, Outcome, ResizeGroups
from rayfleet.kinds.raycluster.plan.ceilings import gpus_of_groups
from rayfleet.kinds.raycluster.pod_settings import WaitSize, least_wait
from rayfleet.kinds.raycluster.refusals import Refusals
from rayfleet.kinds.raycluster.scaling_view import Sizing
from rayfleet.kinds.raycluster.snapshot import Hold
from rayfleet.kinds.raycluster.sources.ray_memory import RayMemory
from rayfleet.kube.objects.pods import Pod

FIRST_HOLD = 1.0
LONGEST_HOLD = 60.0
MOST_LESSONS = 4
LONGEST_HOLD_UNANSWERED = 5.0
"""Seconds. Against a server that does not answer, so that its return is noticed soon."""

CLOCK_JUMP = 2.0
"""Seconds by which two clocks have to come apart between two passes for one of them to have been set."""


@dataclass(slots=True)
class _Backoff:
    failures: int
    hold: Hold
    denied: bool
    """By an answer to what was asked for, which another spec may get another answer to."""


@dataclass(slots=True)
class ClusterMemory:
    """Memory of one cluster, by uid: a cluster that is made anew under the same name starts afresh."""

    uid: str
    term: int = 0
    """As the leader, in which it was begun; the next starts afresh, as another may have led in between."""
    verified_epoch: Hashable = None
    """The view epoch in which its pods were last listed, or in which it was born; none before either."""
    newborn: bool = False
    """Its creation is all that has happened to it, as far as we know: nothing was written yet."""
    generation: int = 0
    """Of the spec in the last pass."""
    offset: float | None = None
    """Seconds from the monotonic clock to that of the snapshots, in the last pass."""
    last_valid: bytes | None = None
    proven: bytes | None = None
    """Specs as the cache stores them: the same bytes, not a copy; see `plan.validity.judge`."""
    refused: Refusals = field(default_factory=Refusals)
    endings: Endings = field(default_factory=Endings)
    rests_until: float = 0.0
    """Loop time until which it is left alone, as its last plan took long."""
    auth_secret_made: bool = False
    """The Secret with its token is there, by the answer to our create."""
    status_written: float = float("-inf")
    """Loop time of the last write of the status."""
    defect_told: int | None = None
    """The generation on which a pass has failed by a defect, and that was told."""
    status_changed: float | None = None
    """Loop time since when the status differs from the one that is stored, in what may wait."""
    status_due: float = 0.0
    """Loop time until which that change waits."""
    tellings: Tellings = field(default_factory=Tellings)
    wait_least: WaitSize | None = None
    """How large the wait container must be in the cluster's namespace, as a refusal has said."""
    lessons: int = 0
    """How often it was made larger; somebody who always asks for more is not followed."""
    stray_head: Pod | None = None
    """The head, where it lives on without the labels that its watch goes by."""
    stray_until: float = 0.0
    """Loop time after which it must be looked for again."""
    scaling: Memory = field(default_factory=Memory)
    """Of the last decision on sizes."""
    acted_on: dict[str, Sizing] = field(default_factory=dict)
    gpus: tuple[Hashable, Mapping[str, int]] | None = None
    """Which spec (its generation, how many templates were refused), and GPUs of one pod of each group."""
    reported: int | None = None
    """The hash of what Ray was last told of scaling."""
    namespace_ceilings: NamespaceCeilings | None = None
    """As last read; none before the first time, and then no GPU is added."""
    ray: RayMemory = field(default_factory=RayMemory)
    _backoffs: dict[str, _Backoff] = field(default_factory=dict)

    @property
    def held(self) -> Mapping[str, Hold]:
        """Groups in which nothing could be created, and until when they are left alone."""
        return {group: backoff.hold for group, backoff in self._backoffs.items()}

    def gpus_of(
        self, spec: RayClusterSpec | None, generation: int, refused: Collection[str]
    ) -> Mapping[str, int] | None:
        """GPUs of one pod of each group, worked out once for each spec that is acted by."""
        if spec is None:
            return None
        known = generation, frozenset(refused)
        if self.gpus is None or self.gpus[0] != known:
            self.gpus = known, gpus_of_groups(spec)
        return self.gpus[1]

    def tells_at(self, clock: float) -> float | None:
        """Loop time at which a status or an event is due that waits; none where none does."""
        due = []
        if self.status_changed is not None and self.status_due > clock:
            due.append(self.status_due)
        if any(map(self.tellings.is_waiting, Topic)):
            due.append(self.tellings.due(clock))
        elif self.status_changed is not None:
            due.append(max(self.status_due, clock))
        return min(due, default=None)

    def keep_time(self, now: float, monotonic: float) -> None:
        """Forget since when and until when, where the clock of the snapshots has been set meanwhile.

        Else one that is set back would make us wait for so long. What is forgotten is waited for once more.
        """
        before, self.offset = self.offset, now - monotonic
        if before is not None and abs(self.offset - before) > CLOCK_JUMP:
            self._backoffs.clear()
            self.endings.clear()
            self.refused.clear()
            self.scaling = Memory(shrink_to=self.scaling.shrink_to)
            self.ray.forget_times(now)

    def meet(self, generation: int, now: float) -> None:
        """Take in which spec the next pass is about: what was denied to the last one may be asked for now."""
        if generation == self.generation:
            return
        self.generation = generation
        self.refused.clear()
        self.endings.clear()
        for backoff in self._backoffs.values():
            if backoff.denied:
                backoff.hold = replace(backoff.hold, until=min(backoff.hold.until, now))

    def learn(self, outcomes: Sequence[Outcome], now: float) -> tuple[Outcome, ...]:
        """Take in how the actions of a pass went, and return them as they are to be told."""
        outcomes = tuple(map(self._told, outcomes))
        failed = {}
        for outcome in outcomes:
            action, failure = outcome.action, outcome.failure
            if not isinstance(action, CreatePod):
                self._learn_of(outcome, now)
            elif outcome.done:
                self._backoffs.pop(action.group, None)
                self.refused.taken(action.template_hash)
            elif failure is not None and policy(failure) is Policy.INVALID:
                self.refused.note(action.template_hash, _words(failure), now)
            elif failure is not None and policy(failure) in {Policy.DENIED, Policy.RETRY}:
                failed[action.group] = failure
                if policy(failure) is Policy.RETRY:
                    # The pod may have been made and the answer lost: list before the next write.
                    self.verified_epoch = None
        for group, failure in failed.items():
            self._hold(group, failure, now)
        return outcomes

    def _told(self, outcome: Outcome) -> Outcome:
        """The outcome, but for trouble that another attempt ends, and for new words that say the same."""
        action, failure = outcome.action, outcome.failure
        if failure is None or not isinstance(action, CreatePod) or policy(failure) is not Policy.DENIED:
            return outcome
        least = least_wait(action.body, failure.message) if self.lessons < MOST_LESSONS else None
        if least is not None:
            self.lessons += 1
            self.wait_least = least.at_least(self.wait_least)
            return Outcome(action, tried=False)
        before = self._backoffs.get(action.group)
        if before is not None and is_in_other_order(before.hold.words, failure.message):
            return replace(outcome, failure=replace(failure, message=before.hold.words))
        return outcome

    def _learn_of(self, outcome: Outcome, now: float) -> None:
        match outcome.action:
            case CreateSecret() if outcome.done:
                self.auth_secret_made = True
            case DrainNode(node_id=node_id) if outcome.tried:
                self.ray.asked_to_drain(node_id, outcome.refusal, now)
            case ResizeGroups(changes=changes) if outcome.done:
                for _, group, replicas in changes:  # Our own value is no wish of a user's.
                    self.acted_on[group] = self.acted_on[group]._replace(replicas=replicas)
            case _:
                pass

    def release(self, groups: set[str], now: float) -> None:
        """Forget holds that are over and not needed: groups that want no pod any more."""
        for group in [g for g, b in self._backoffs.items() if g not in groups and b.hold.until <= now]:
            del self._backoffs[group]

    def _hold(self, group: str, failure: ApiFailure, now: float) -> None:
        before = self._backoffs.get(group)
        failures = before.failures + 1 if before else 1
        denied = policy(failure) is Policy.DENIED
        longest = LONGEST_HOLD if denied else LONGEST_HOLD_UNANSWERED
        wait = min(FIRST_HOLD * 2 ** min(failures - 1, 30), longest)
        if failure.retry_after is not None:
            wait = max(wait, min(failure.retry_after, LONGEST_HOLD))
        since = before.hold.since if before else now
        self._backoffs[group] = _Backoff(failures, Hold(now + wait, failure.message, since), denied)


def _words(failure: ApiFailure) -> str:
    """The API server's words without the pod's name, in one order: each attempt is answered by the same."""
    words = sorted(f"{cause.field}: {cause.message}" for cause in failure.causes)
    return "; ".join(words) or failure.message
