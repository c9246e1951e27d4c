"""What is remembered of a RayCluster between passes. Losing it costs a restart nothing but time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rayfleet.autoscaling import Memory
from rayfleet.autoscaling.limits import NamespaceCeilings
from rayfleet.engine.kind import Look
from rayfleet.engine.outcome import Failed, NotTried, Outcome, Refused, Succeeded, Unanswered
from rayfleet.errors import ApiFailure, Policy, is_in_other_order, policy
from rayfleet.kinds.raycluster.actions import CreatePod, CreateSecret, DrainNode, ResizeGroups
from rayfleet.kinds.raycluster.healing.endings import Endings
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


@dataclass(slots=True)
class _Backoff:
    failures: int
    hold: Hold
    denied: bool
    """By an answer to what was asked for, which another spec may get another answer to."""


@dataclass(slots=True)
class ClusterMemory:
    """Memory of one cluster."""

    last_valid: bytes | None = None
    proven: bytes | None = None
    """Specs as the cache stores them: the same bytes, not a copy; see `plan.validity.judge`."""
    refused: Refusals = field(default_factory=Refusals)
    endings: Endings = field(default_factory=Endings)
    auth_secret_made: bool = False
    """The Secret with its token is there, by the answer to our create."""
    wait_least: WaitSize | None = None
    """How large the wait container must be in the cluster's namespace, as a refusal has said."""
    lessons: int = 0
    """How often it was made larger; somebody who always asks for more is not followed."""
    taught: bool = False
    """The last pass has met a refusal: there may be an earlier template to go on with, or a larger wait
    container to try."""
    stray_head: Pod | None = None
    """The head, where it lives on without the labels that its watch goes by."""
    stray_until: float = 0.0
    """Loop time after which it must be looked for again."""
    scaling: Memory = field(default_factory=Memory)
    """Of the last decision on sizes."""
    acted_on: dict[str, Sizing] = field(default_factory=dict)
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

    def meet(self, moment: Look) -> None:
        """Take in what has changed around the cluster since the last look at it.

        What was denied to the last spec may be asked for now. Where the clock was set, since when and until
        when are forgotten: else one that was set back would make us wait for so long. What is forgotten is
        waited for once more.
        """
        if moment.is_clock_set:
            self._backoffs.clear()
            self.endings.clear()
            self.refused.clear()
            self.scaling = Memory(shrink_to=self.scaling.shrink_to)
            self.ray.forget_times(moment.now)
        if moment.is_new_generation:
            self.refused.clear()
            self.endings.clear()
            for backoff in self._backoffs.values():
                if backoff.denied:
                    backoff.hold = replace(backoff.hold, until=min(backoff.hold.until, moment.now))
        if self.stray_head is not None and moment.monotonic >= self.stray_until:
            self.stray_head = None

    def learn(self, outcomes: Sequence[Outcome], now: float) -> tuple[Outcome, ...]:
        """Take in how the actions of a pass went, and return them as they are to be told."""
        before = self.refused.times, self.lessons
        outcomes = tuple(map(self._told, outcomes))
        held = {}
        for outcome in outcomes:
            action = outcome.action
            if not isinstance(action, CreatePod):
                self._learn_of(outcome, now)
            elif isinstance(outcome, Succeeded):
                self._backoffs.pop(action.group, None)
                self.refused.taken(action.template_hash)
            elif isinstance(outcome, Failed) and policy(outcome.failure) is Policy.INVALID:
                self.refused.note(action.template_hash, _words(outcome.failure), now)
            elif isinstance(outcome, Failed) and policy(outcome.failure) in {Policy.DENIED, Policy.RETRY}:
                held[action.group] = outcome.failure
        for group, failure in held.items():
            self._hold(group, failure, now)
        self.taught = before != (self.refused.times, self.lessons)
        return outcomes

    def _told(self, outcome: Outcome) -> Outcome:
        """The outcome, but for trouble that another attempt ends, and for new words that say the same."""
        if not isinstance(outcome, Failed) or not isinstance(outcome.action, CreatePod):
            return outcome
        action, failure = outcome.action, outcome.failure
        if policy(failure) is not Policy.DENIED:
            return outcome
        least = least_wait(action.body, failure.message) if self.lessons < MOST_LESSONS else None
        if least is not None:
            self.lessons += 1
            self.wait_least = least.at_least(self.wait_least)
            return NotTried(action)
        before = self._backoffs.get(action.group)
        if before is not None and is_in_other_order(before.hold.words, failure.message):
            return Failed(action, replace(failure, message=before.hold.words))
        return outcome

    def _learn_of(self, outcome: Outcome, now: float) -> None:
        match outcome:
            case Succeeded(CreateSecret()):
                self.auth_secret_made = True
            case Succeeded(DrainNode(node_id=node_id)) | Unanswered(DrainNode(node_id=node_id)):
                self.ray.asked_to_drain(node_id, now)
            case Refused(DrainNode(node_id=node_id)):
                self.ray.refused_to_drain(node_id, now)
            case Succeeded(ResizeGroups(changes=changes)):
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
