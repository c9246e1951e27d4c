"""RayJob as a kind of the engine."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from rayfleet.api.names import is_object_name
from rayfleet.engine.kind import Check, Guard, Kind, Look
from rayfleet.engine.outcome import Outcome, Refused
from rayfleet.engine.verify import failed
from rayfleet.engine.workqueue import Done, Retry
from rayfleet.errors import ApiFailure, is_gone
from rayfleet.kinds.raycluster.children import RAYCLUSTERS
from rayfleet.kinds.raycluster.ownership import Ownership, ownership
from rayfleet.kinds.rayjob.accounts import JobAccounts
from rayfleet.kinds.rayjob.actions import StopJob, SubmitJob
from rayfleet.kinds.rayjob.children import CHILDREN, RAYJOBS
from rayfleet.kinds.rayjob.memory import JobMemory
from rayfleet.kinds.rayjob.observe import JobView
from rayfleet.kinds.rayjob.plan import JobPlan, plan
from rayfleet.kinds.rayjob.snapshot import JobSnapshot
from rayfleet.kinds.rayjob.sources.dashboards import Dashboards
from rayfleet.kinds.rayjob.status import compute_status, events_of, is_urgent, unheard
from rayfleet.kube.client.client import KubeClient
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.roots import Root


def rayjob(
    client: KubeClient,
    view: JobView,
    dashboards: Dashboards,
    other_operator: Callable[[str], str | None],
    accounts: JobAccounts,
    decide: Callable[[JobSnapshot], JobPlan] = plan,
) -> Kind[JobMemory, JobSnapshot, JobPlan]:
    """The kind; `decide` is its planner, unless a test passes another one."""
    job = _RayJob(client, view, dashboards, other_operator, accounts)
    return Kind(
        resource=RAYJOBS,
        children=CHILDREN,
        new_memory=lambda _: JobMemory(),
        learn=view.learn,
        observe=job.observe,
        plan=decide,
        status=compute_status,
        guards=(Guard(_needs_proof, job.prove_absent, before_verified=True),),
        handlers={SubmitJob: dashboards.submit, StopJob: dashboards.stop},
        settle=job.settle,
        follow=job.follow,
        is_ours=job.is_ours,
        is_urgent=is_urgent,
        unheard=unheard,
        events=events_of,
        dependents=view.followers.of,
        forget=job.forget,
        lead=accounts.forget_all,
        stand_by=job.stand_by,
    )


def _needs_proof(_: JobSnapshot, decided: JobPlan) -> bool:
    return decided.needs_proof


class _RayJob(Struct, frozen=True):
    """What the functions of the kind share."""

    client: KubeClient
    view: JobView
    dashboards: Dashboards
    other_operator: Callable[[str], str | None]
    accounts: JobAccounts

    def observe(self, job: Root, memory: JobMemory, moment: Look) -> JobSnapshot:
        return self.view.snapshot(job, memory, self._other(job), moment.now)

    def is_ours(self, job: Root) -> bool:
        return ownership(job, self.other_operator(job.key.namespace)) is Ownership.OURS

    def _other(self, job: Root) -> str | None:
        """Who acts on the job instead of us."""
        match ownership(job, self.other_operator(job.key.namespace)):
            case Ownership.OURS:
                return None
            case Ownership.YIELDED:
                return self.other_operator(job.key.namespace)
            case Ownership.OTHERS:
                return str(job.spec.get("managedBy"))

    async def prove_absent(self, job: Root, memory: JobMemory) -> Check | Done | Retry:
        """Ask the API server whether the cluster that the caches lack exists."""
        name = str(job.status.get("rayClusterName") or "")
        if not is_object_name(name):  # It must not lead anywhere else, and no cluster can have it.
            memory.absent = name
            return Check.ASKED
        answer = await self.client.get(RAYCLUSTERS.path(job.key.namespace, name))
        if not isinstance(answer, ApiFailure):
            self.view.clusters.apply(answer)
            return Check.ASKED
        if not is_gone(answer, RAYCLUSTERS.plural, name):
            return failed(answer, f"read RayCluster {name}")
        memory.absent = name
        return Check.ASKED

    def settle(
        self, memory: JobMemory, seen: JobSnapshot, _plan: JobPlan, outcomes: Sequence[Outcome], _now: float
    ) -> Sequence[Outcome]:
        """Remember that Ray has refused the job, and since when it cannot be asked; count what happened."""
        memory.listen(seen)
        for outcome in outcomes:
            memory.tried(outcome.action)
            if isinstance(outcome, Refused) and isinstance(outcome.action, SubmitJob):
                memory.refused = outcome.message
        self.accounts.settled(seen)
        return outcomes

    def forget(self, key: Key) -> None:
        self.view.followers.forget(key)
        self.dashboards.forget_job(key)
        self.accounts.forget(key)

    def stand_by(self) -> None:
        self.dashboards.forget_all()
        self.accounts.forget_all()

    async def follow(self, seen: JobSnapshot, decided: JobPlan, _: JobMemory) -> float | None:
        return await self.dashboards.follow(seen, decided)
