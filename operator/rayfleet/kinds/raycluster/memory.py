"""What is remembered about a RayCluster between passes. Losing it in a restart costs only time."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

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
"""Seconds. While the server does not answer, so that its return is noticed soon."""


class _Backoff(Struct):
    failures: int
    hold: Hold
    denied: bool
    """The request itself was refused; another spec may be accepted."""


class ClusterMemory(Struct):
    """Memory of one cluster."""

    last_valid: bytes | None = None
    valid_with: tuple[Mapping[str, str], Mapping[str, str]] | None = None
    """The labels and annotations with which `last_valid` broke no rule."""
    proven: bytes | None = None
    """Specs as the cache stores them: the same bytes, not a copy; see `validity.judge`."""
    refused: Refusals = field(default_factory=Refusals)
    endings: Endings = field(default_factory=Endings)
    auth_secret_made: bool = False
    """The Secret with its token exists, according to the response to our create."""
    wait_least: WaitSize | None = None
    """The minimum size of the wait container in the cluster's namespace, according to a refusal."""
    lessons: int = 0
    """How often it was enlarged; a minimum that keeps growing is not followed."""
    taught: bool = False
    """The last pass met a refusal: there may be an earlier template to use, or a larger wait container to
    try."""
    stray_head: Pod | None = None
    """A live head without the labels by which the watch finds it."""
    stray_until: float = 0.0
    """Loop time after which it must be looked for again."""
    scaling: Memory = field(default_factory=Memory)
    """What the last decision on sizes left."""
    acted_on: dict[str, Sizing] = field(default_factory=dict)
    reported: int | None = None
    """The hash of the last scaling report to Ray."""
    namespace_ceilings: NamespaceCeilings | None = None
    """As last read; None before the first reading, and then no GPU is added."""
    ray: RayMemory = field(default_factory=RayMemory)
    _backoffs: dict[str, _Backoff] = field(default_factory=dict)

    @property
    def held(self) -> Mapping[str, Hold]:
        """Groups in which creates failed, and until when they are left alone."""
        return {group: backoff.hold for group, backoff in self._backoffs.items()}

    def meet(self, moment: Look) -> None:
        """Record what has changed around the cluster since the last pass.

        What was denied to the last spec may be requested now. If the clock was set, all recorded times are
        forgotten, because a clock set back would prolong the waits; each wait then begins again.
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
        """Record the outcomes of a pass, and return them as they are reported."""
        before = self.refused.times, self.lessons
        outcomes = tuple(map(self._to_report, outcomes))
        held = {}
        for outcome in outcomes:
            action = outcome.action
            if not isinstance(action, CreatePod):
                self._learn_of(outcome, now)
            elif isinstance(outcome, Succeeded):
                self._backoffs.pop(action.group, None)
                self.refused.taken(action.template_hash)
            elif isinstance(outcome, Failed) and policy(outcome.failure) is Policy.INVALID:
                self.refused.note(action.template_hash, _message(outcome.failure), now)
            elif isinstance(outcome, Failed) and policy(outcome.failure) in {Policy.DENIED, Policy.RETRY}:
                held[action.group] = outcome.failure
        for group, failure in held.items():
            self._hold(group, failure, now)
        self.taught = before != (self.refused.times, self.lessons)
        return outcomes

    def _to_report(self, outcome: Outcome) -> Outcome:
        """The outcome without trouble that the next attempt solves, and with a stable message."""
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
                for _, group, replicas in changes:  # Our own value is not a user's change.
                    self.acted_on[group] = self.acted_on[group]._replace(replicas=replicas)
            case _:
                pass

    def release(self, groups: set[str], now: float) -> None:
        """Forget holds that are over and no longer needed because their groups want no pod."""
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


def _message(failure: ApiFailure) -> str:
    """The API server's message without the pod's name and in a fixed order: equal for every attempt."""
    causes = sorted(f"{cause.field}: {cause.message}" for cause in failure.causes)
    return "; ".join(causes) or failure.message
