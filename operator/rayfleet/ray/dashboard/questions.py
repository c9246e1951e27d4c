"""Asks one head for its jobs: by one list for all, or one by one where that is cheaper for the head.

A head needs 0.4 ms of its CPU for each job that it lists, of all that it ever had, and 8 ms for a single job.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.ray.dashboard.client import JobsClient
from rayfleet.ray.dashboard.jobs import JobAnswer, JobListing, UnknownJob

WORTH_BYTES: Final = 10_000
"""A list of more bytes for each job asked for costs the head more than single questions: 20 jobs."""
LIST_AGAIN_SECONDS: Final = 600.0
"""How long a head is asked one by one before its list is tried again."""
MOST_SINGLE: Final = 32
"""Jobs asked for one by one in one poll; the others come in the next one."""
MOST_SECONDS: Final = 4.0
"""After this no further question is asked in one poll."""

_OF_HEAD: Final = frozenset(
    {
        DashboardTrouble.UNREACHABLE,
        DashboardTrouble.TIMEOUT,
        DashboardTrouble.UNAUTHENTICATED,
        DashboardTrouble.REDIRECTED,
        DashboardTrouble.UNSUPPORTED,
    }
)
"""Failures that say something about the head, and not about one job or its list."""


class JobQuestions:
    """How one head is asked. `clock` is monotonic, in seconds."""

    __slots__ = ("_next", "_singly_until")

    def __init__(self) -> None:
        self._singly_until = 0.0
        self._next = 0
        """Where in the order of ids the next poll begins, if one poll is not enough."""

    async def answers(
        self, client: JobsClient, ids: Collection[str], clock: Callable[[], float]
    ) -> Mapping[str, JobAnswer]:
        """Answers about the jobs with these ids, or about as many of them as one poll takes."""
        if len(ids) > 1 and clock() >= self._singly_until:
            listing = await client.list_jobs(ids)
            if isinstance(listing, JobListing):
                if listing.size > len(ids) * WORTH_BYTES:
                    self._singly_until = clock() + LIST_AGAIN_SECONDS
                return {each: listing.jobs.get(each, UnknownJob(each)) for each in ids}
            if listing.trouble is DashboardTrouble.TIMEOUT or listing.trouble not in _OF_HEAD:
                # It may be the list that is too much, or one job in it that cannot be read.
                self._singly_until = clock() + LIST_AGAIN_SECONDS
            if listing.trouble in _OF_HEAD:
                return dict.fromkeys(ids, listing)
        return await self._one_by_one(client, sorted(ids), clock)

    async def _one_by_one(
        self, client: JobsClient, ids: Sequence[str], clock: Callable[[], float]
    ) -> Mapping[str, JobAnswer]:
        start, until = self._next % len(ids), clock() + MOST_SECONDS
        turn = [*ids[start:], *ids[:start]][:MOST_SINGLE]
        answers: dict[str, JobAnswer] = {}
        for each in turn:
            self._next = start + len(answers) + 1
            answer = answers[each] = await client.get_job(each)
            if isinstance(answer, DashboardFailure) and answer.trouble in _OF_HEAD:
                # Those that were answered a moment ago stay as they are.
                return {**dict.fromkeys(ids, answer), **answers}
            if clock() >= until:
                break
        return answers
