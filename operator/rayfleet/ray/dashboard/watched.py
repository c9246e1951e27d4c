"""One head that is asked for jobs, and who asks. No I/O here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard.client import JobsClient
from rayfleet.ray.dashboard.jobs import JobAnswer
from rayfleet.ray.dashboard.observation import NOT_SEEN, JobSeen, seen_after
from rayfleet.ray.dashboard.questions import JobQuestions
from rayfleet.ray.dashboard.schedule import CHEAP, SHORTEST_SECONDS, SHORTEST_SILENT_SECONDS, pause, period
from rayfleet.ray.polling.observation import Moment
from rayfleet.ray.polling.poller import Target

if TYPE_CHECKING:
    import asyncio

    from rayfleet.kube.objects.keys import Key


class JobsWatch(Struct, frozen=True):
    """What one key asks for."""

    target: Target
    ids: frozenset[str]
    active: bool


class WatchedHead:
    """The head of one cluster."""

    __slots__ = (
        *("again", "asked", "questions", "changed", "client", "due", "failing_since", "failures", "jobs"),
        *("namespace", "target", "task", "timer", "trouble", "watches"),
    )

    def __init__(self, namespace: str, target: Target, client: JobsClient, now: float) -> None:
        self.namespace = namespace
        self.watches: dict[Key, JobsWatch] = {}
        self.jobs: dict[str, JobSeen] = {}
        """By submission id; only those that are still asked for."""
        self.asked = -SHORTEST_SILENT_SECONDS
        """When the last poll began, by the monotonic clock."""
        self.changed = now
        """When an answer last brought something new."""
        self.due = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None
        self.again = False
        """Whether it was poked during a poll."""
        self.move(target, client)

    def move(self, target: Target, client: JobsClient) -> None:
        """Ask at another address, or with another token. What is known of its jobs stays."""
        self.target, self.client, self.questions = target, client, JobQuestions()
        self.trouble: DashboardTrouble | None = None
        """Why no job was answered for in the last poll."""
        self.failures = 0
        """Such polls in a row, and when the first one ended:"""
        self.failing_since = 0.0

    @property
    def ids(self) -> frozenset[str]:
        """The jobs that anybody asks for."""
        return frozenset[str]().union(*(watch.ids for watch in self.watches.values()))

    @property
    def active(self) -> bool:
        return any(watch.active for watch in self.watches.values())

    def learn(self, answers: Mapping[str, JobAnswer], moment: Moment) -> frozenset[str]:
        """Take in the answers of a poll; return the ids of jobs of which a decision may now be another."""
        changed = set()
        for each in answers.keys() & self.ids:
            self.jobs[each], news = seen_after(self.jobs.get(each, NOT_SEEN), answers[each], moment)
            if news:
                changed.add(each)
        if changed:
            self.changed = moment.monotonic
        failures = [answer for answer in answers.values() if isinstance(answer, DashboardFailure)]
        if len(failures) < len(answers):
            self.trouble, self.failures = None, 0
        elif failures:
            self.failing_since = self.failing_since if self.failures else moment.monotonic
            self.trouble, self.failures = failures[0].trouble, self.failures + 1
        return frozenset(changed)

    def wait(self, now: float, polled: int) -> float:
        """Seconds until the next poll, while `polled` heads are asked."""
        usual = period(active=self.active, unchanged=now - self.changed, polled=polled)
        return pause(usual, self.trouble, self.failures, now - self.failing_since)

    @property
    def shortest(self) -> float:
        """Seconds between polls at least, however often it is poked."""
        return SHORTEST_SECONDS if self.trouble is None or self.trouble in CHEAP else SHORTEST_SILENT_SECONDS
