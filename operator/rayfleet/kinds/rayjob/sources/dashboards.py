"""The dashboards of the clusters in which jobs run: what Ray says of a job, and what is asked of it."""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct, convert

from rayfleet.engine.outcome import NotTried, Outcome, Refused, Succeeded
from rayfleet.errors import DashboardFailure, DashboardTrouble
from rayfleet.kinds.raycluster.manifests.ports import dashboard_port
from rayfleet.kinds.raycluster.sources.addresses import PodAddresses
from rayfleet.kinds.raycluster.sources.heads import dialled
from rayfleet.kinds.raycluster.sources.tokens import ClusterTokens, NoToken, Token
from rayfleet.kinds.rayjob.actions import StopJob, SubmitJob
from rayfleet.kinds.rayjob.plan import JobPlan
from rayfleet.kinds.rayjob.snapshot import ClusterFacts, Found, Heard, JobSnapshot, JobUnknown, Unreachable
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.dashboard import JobDetails, JobSubmitRequest, UnknownJob
from rayfleet.ray.dashboard.poller import JobsPoller
from rayfleet.ray.polling import Target

LOOK_AGAIN_SECONDS: Final = 10.0
"""Between checks whether a head is at the address to which a token may be sent."""


class _JobPlace(Struct, frozen=True):
    """Where a job is asked for: one head of one cluster."""

    cluster: Key
    cluster_uid: str
    head: Pod
    head_epoch: int
    job_id: str


class Dashboards:
    """Asks each head for the jobs that are to run there, and gives it jobs while `may_write` leaves time."""

    def __init__(
        self,
        poller: JobsPoller,
        tokens: ClusterTokens,
        addresses: PodAddresses,
        may_write: Callable[[], float],
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poller = poller
        self._tokens = tokens
        self._addresses = addresses
        self._may_write = may_write
        self._now = now
        self._monotonic = monotonic
        self._at: dict[Key, _JobPlace] = {}
        self._troubles: dict[Key, Unreachable] = {}

    async def follow(self, seen: JobSnapshot, decided: JobPlan) -> float | None:
        """Ask the job's head, or stop asking; return the seconds until that must be looked at again."""
        key, cluster, job_id = seen.job.key, seen.cluster, seen.recorded.job_id
        head = cluster.head if isinstance(cluster, ClusterFacts) else None
        wanted = decided.asking is not None and job_id and head is not None and head.active and head.pod_ip
        if not wanted or not isinstance(cluster, ClusterFacts) or head is None or decided.asking is None:
            self._leave(key)
            return None
        if cluster.spec is None:
            return None
        refused = self._doubt(key, cluster.root.key, job_id)
        token = await self._tokens.token(cluster.root, cluster.spec)
        trouble = token.message if isinstance(token, NoToken) else ""
        # What is sent may hold secrets, also without a token: it must reach the job's own head.
        if not trouble:
            trouble = await self._addresses.trouble(cluster.root.key, head)
        place = _JobPlace(cluster.root.key, cluster.uid, head, cluster.head_epoch, job_id)
        if trouble:
            since = self._since(key)
            self._leave(key)
            self._at[key] = place
            self._troubles[key] = Unreachable(since, trouble)
            return LOOK_AGAIN_SECONDS
        self._troubles.pop(key, None)
        self._at[key] = place
        address = dialled(head.pod_ip, dashboard_port(cluster.spec.head_group_spec))
        secret = token.value if isinstance(token, Token) else None
        target = Target(cluster.uid, address, secret, head.name)
        self._poller.watch(key, target, {job_id}, active=decided.asking.active)
        return self._tokens.again_in(cluster.root.key) if refused else None

    def _doubt(self, key: Key, cluster: Key, job_id: str) -> bool:
        """After a failure verify the address again, and the token if it was refused; say whether it was."""
        observed = self._poller.observation(key)
        seen = None if observed is None else observed.jobs.get(job_id)
        if seen is None or seen.failure is None:
            return False
        self._addresses.doubt(cluster)
        refused = seen.failure.trouble is DashboardTrouble.UNAUTHENTICATED
        if refused:
            self._tokens.refused(cluster)
        return refused

    def heard(self, key: Key, job_id: str) -> Heard | None:
        """Ray's last answer about a job; None if there is none yet."""
        place = self._at.get(key)
        if place is None or place.job_id != job_id:
            return None
        if (trouble := self._troubles.get(key)) is not None:
            return Heard(trouble, trouble.since, place.cluster_uid, place.head_epoch)
        observed = self._poller.observation(key)
        seen = None if observed is None else observed.jobs.get(job_id)
        if seen is None:
            return None
        where = (place.cluster_uid, place.head_epoch)
        if seen.failure is not None and seen.unknown_since is not None:
            # Not by its Unix time: a clock that is set must not make a moment look like minutes.
            since = self._now() - (self._monotonic() - seen.unknown_since.monotonic)
            return Heard(Unreachable(since, seen.failure.message), since, *where)
        if seen.taken is None:
            return None
        answer = Found(seen.answer) if isinstance(seen.answer, JobDetails) else JobUnknown()
        return Heard(answer, seen.taken.unix, *where)

    async def submit(self, job: Root, action: SubmitJob) -> Outcome:
        """Give Ray the job. A repetition of what it has counts as done."""
        place, client = self._at.get(job.key), self._poller.client(job.key)
        is_there = place is not None and (place.cluster_uid, place.head_epoch) == (
            action.cluster_uid,
            action.head_epoch,
        )
        if client is None or place is None or not is_there or self._may_write() <= 0:
            return NotTried(action)
        # The runtime environment may hold secrets, and the head's address another pod by now.
        self._addresses.doubt(place.cluster)
        if await self._addresses.trouble(place.cluster, place.head):
            return NotTried(action)
        answer = await client.submit(convert(action.body, JobSubmitRequest))
        self._poller.poke(job.key)
        if isinstance(answer, DashboardFailure):
            refused = answer.trouble is DashboardTrouble.REFUSED
            return Refused(action, answer.message) if refused else NotTried(action)
        return Succeeded(action)

    async def stop(self, job: Root, action: StopJob) -> Outcome:
        """Ask Ray to stop the job."""
        client = self._poller.client(job.key)
        if client is None or self._may_write() <= 0:
            return NotTried(action)
        answer = await client.stop(action.job_id)
        self._poller.poke(job.key)
        failed = isinstance(answer, DashboardFailure | UnknownJob)
        return NotTried(action) if failed else Succeeded(action)

    def forget_job(self, key: Key) -> None:
        """The job is gone."""
        self._leave(key)

    def forget_all(self) -> None:
        """Another operator leads: ask nobody."""
        self._at.clear()
        self._troubles.clear()
        self._poller.forget_all()

    def _leave(self, key: Key) -> None:
        place = self._at.pop(key, None)
        self._troubles.pop(key, None)
        self._poller.forget(key)
        if place is not None and all(other.cluster != place.cluster for other in self._at.values()):
            self._tokens.forget(place.cluster)
            self._addresses.doubt(place.cluster)

    def _since(self, key: Key) -> float:
        known = self._troubles.get(key)
        return self._now() if known is None else known.since
