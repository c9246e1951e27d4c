"""A job, its clusters and Ray as values: passes are made over them, and anything can happen in between.

The caches may be behind: a pass sees what `sync` has shown it, and what it has written itself. Ray is asked
by `poll` only, so that an answer may be old. It fails at once if something happens twice that must not.
"""

from collections import Counter
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from rayfleet.api.rayjob.status import RayJobStatus, recorded
from rayfleet.engine.actions import Action
from rayfleet.engine.event import Event
from rayfleet.engine.outcome import NotTried, Outcome, Refused, Succeeded
from rayfleet.kinds.rayjob.memory import JobMemory
from rayfleet.kinds.rayjob.plan import JobPlan, plan
from rayfleet.kinds.rayjob.snapshot import Heard, JobSnapshot, ServiceFacts, SubmitterFacts
from rayfleet.kinds.rayjob.status import compute_status, events_of
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pod_end import SubmitterEnd
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.dashboard import JobDetails
from support.builders import NOW, group
from support.builders import spec as cluster_spec
from support.job_cluster import JOB_UID, LiveCluster
from support.job_view import Judged, answer, ask, learn, snapshot
from support.job_writes import carry_out

LIVE = ("PENDING", "RUNNING")
ENDED = ("Complete", "Failed")
IN_SPITE_OF_RAY = ("Deadline", "NotStartedInTime", "DashboardUnreachable")
"""Causes that end a job although Ray may still run it."""


def job_spec(**fields: Any) -> dict[str, Any]:
    """The spec of a job on a cluster of its own with three GPU workers."""
    own = {} if "clusterSelector" in fields else {"rayClusterSpec": cluster_spec(group("gpu", 3))}
    return {"entrypoint": "python train.py", "submissionMode": "HTTPMode"} | own | fields


class World(Struct):
    """Everything that a pass can see or change."""

    spec: dict[str, Any]
    status: dict[str, Any] = field(default_factory=dict)
    name: str = "train"
    now: float = NOW
    generation: int = 1
    deleted_at: float = 0.0
    gone: bool = False
    finalizers: frozenset[str] = frozenset()
    clusters: dict[str, LiveCluster] = field(default_factory=dict)
    view: dict[str, LiveCluster] = field(default_factory=dict)
    """The clusters as the caches have them."""
    submitter: SubmitterFacts | None = None
    submitter_view: SubmitterFacts | None = None
    submits: str = ""
    """The job that the submitter's Job submits."""
    has_submitted: bool = False
    service: ServiceFacts | None = None
    is_service_taken: bool = False
    is_reachable: bool = True
    refusal: str = ""
    """Why Ray refuses every job."""
    loses_stops: bool = False
    """Ray does not stop what it is asked to stop."""
    loses_answers: bool = False
    """Ray takes a job, and the operator does not hear that."""
    memory: JobMemory = field(default_factory=JobMemory)
    judged: Judged | None = None
    known: dict[str, Any] | None = None
    """The last valid spec that this process has seen."""
    asking: bool = False
    heard: tuple[str, Heard] | None = None
    """Ray's last answer, and about which job."""
    question: tuple[str, Heard] | None = None
    """The answer that is on its way."""
    unreachable_since: float | None = None
    hides_creates: bool = False
    """What is created is there, but the answer is lost, and the caches do not hear of it yet."""
    made: int = 0
    submitters: int = 0
    stops: int = 0
    submissions: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """How often each life of a cluster's Ray has taken each job of this RayJob."""
    history: list[str] = field(default_factory=list)
    """Each state in its order."""
    events: list[Event] = field(default_factory=list)

    # What happens to it

    def restart(self) -> None:
        """Another process leads: nothing is remembered, and everything is listed anew."""
        self.memory, self.unreachable_since, self.known = JobMemory(), None, None
        self.asking, self.heard, self.question = False, None, None
        self.sync()

    def edit(self, **fields: Any) -> None:
        """The user writes the spec."""
        self.spec = {**self.spec, **fields}
        self.generation += 1

    def delete(self) -> None:
        """The user deletes the job, or the operator does."""
        self.deleted_at = self.deleted_at or self.now
        self.collect()

    def collect(self) -> None:
        """A deleted job without finalizers goes, with all that is its own."""
        if self.deleted_at and not self.finalizers:
            self.gone, self.submitter = True, None
            self.clusters = {n: c for n, c in self.clusters.items() if not c.owned}

    def sync(self) -> None:
        """The caches hear of everything."""
        self.view = {name: each.copy() for name, each in self.clusters.items()}
        self.submitter_view = self.submitter

    def make_ready(self) -> None:
        """Every cluster's pods are ready; the head of SidecarMode never comes a second time."""
        for cluster in self.clusters.values():
            if not cluster.deleting and not cluster.dead and not cluster.leaving:
                since = cluster.since if cluster.ready else self.now
                cluster.head, cluster.ready, cluster.since = True, True, since

    def lose_head(self) -> None:
        """The head of every cluster is lost, with what it knew; another one comes later."""
        for cluster in self.clusters.values():
            cluster.lose_head()

    def forget(self) -> None:
        """Ray was restarted in the same pods: it knows no job any more."""
        for cluster in self.clusters.values():
            cluster.jobs = {}
            cluster.lives += 1

    def finish_going(self) -> None:
        """What is being deleted is gone, and the caches hear of it."""
        for cluster in self.clusters.values():
            if cluster.leaving:
                cluster.lose_head()
        self.clusters = {n: c for n, c in self.clusters.items() if not c.deleting}
        if self.submitter is not None and self.submitter.deleting:
            self.submitter = None
        self.sync()

    def say(self, status: str, *, of: str = "", **fields: Any) -> None:
        """Ray's jobs that still run are now in this state."""
        for cluster in self.clusters.values():
            for job_id, job in cluster.jobs.items():
                if job.status in LIVE and of in {"", job_id}:
                    ended = None if status in LIVE else int(self.now * 1000)
                    cluster.jobs[job_id] = replace(job, status=status, end_time=ended, **fields)

    def run_submitter(self) -> None:
        """Whoever submits, but for the operator, does so once, and ends if Ray has forgotten the job."""
        cluster = self.clusters.get(self.recorded.ray_cluster_name)
        if cluster is None or not cluster.answers:
            return
        if cluster.submits and cluster.sidecar is None:
            if cluster.has_submitted and cluster.submits not in cluster.jobs:
                cluster.sidecar = SubmitterEnd(69, self.now, "Ray has forgotten the job")
            else:
                self.give(cluster.submits, cluster)
                cluster.has_submitted = True
        if self.submitter is not None and not self.submitter.has_finished and not self.submitter.deleting:
            if self.has_submitted and self.submits not in cluster.jobs:
                self.end_submitter(failed=True, reason="PodFailurePolicy", message="exit code 69")
            else:
                self.give(self.submits, cluster)
                self.has_submitted = True

    def end_submitter(self, *, failed: bool = False, reason: str = "", message: str = "") -> None:
        """Whoever submits ends."""
        for cluster in self.clusters.values():
            if cluster.submits and cluster.head and cluster.sidecar is None:
                cluster.sidecar = SubmitterEnd(65 if failed else 0, self.now, message)
        if self.submitter is not None and not self.submitter.has_finished:
            ended = {"failed": failed, "succeeded": not failed, "reason": reason, "message": message}
            self.submitter = replace(self.submitter, finished=self.now, **ended)

    def give(self, job_id: str, cluster: LiveCluster) -> None:
        """Ray takes a job unless it has it."""
        if job_id in cluster.jobs:
            return
        self.submissions[cluster.uid, cluster.lives, job_id] += 1
        cluster.jobs[job_id] = JobDetails(job_id, "PENDING", start_time=int(self.now * 1000))
        self.check()

    def check(self) -> None:
        """What must hold at any moment."""
        assert sum(each.owned for each in self.clusters.values()) <= 1, "one cluster at a time"
        assert all(count == 1 for count in self.submissions.values()), "no head gets a job twice"
        assert sum(len(self.running_in(each)) for each in self.clusters.values()) <= 1, "one run at a time"

    # Passes

    def passes(self, count: int = 12) -> "World":
        """Passes until nothing changes, with what goes being gone, and Ray being asked."""
        for _ in range(count):
            before = self.visible()
            self.finish_going()
            self.poll()
            self.one_pass()
            if before == self.visible():
                break
        return self

    def visible(self) -> tuple[Any, ...]:
        """What a pass can change, or what would wake one."""
        clusters = [(name, each.deleting) for name, each in self.clusters.items()]
        others = self.submitter, self.finalizers, self.deleted_at
        return self.status, clusters, others, self.asking, self.heard, self.stops

    def poll(self) -> None:
        """Ray is asked, if the last pass wanted that, and answers at once."""
        ask(self)
        answer(self)

    def one_pass(self, *, die_after: int | None = None) -> JobPlan:
        """One pass; with `die_after`, the process dies after so many writes, the status included."""
        if self.gone:
            return JobPlan()
        seen, decided = self._decided()
        left = [10**6 if die_after is None else die_after]
        outcomes = self._carry_out(decided, left)
        if self.gone or left[0] <= 0:
            self.restart()
            return decided
        self.memory.listen(seen)
        for outcome in outcomes:
            self.memory.tried(outcome.action)
            if isinstance(outcome, Refused):
                self.memory.refused = outcome.message
        learn(self)
        seen = snapshot(self) if outcomes else seen
        self.asking = decided.asking is not None
        if not self.asking:
            self.heard = self.question = None
        before = self.status
        self._write(compute_status(seen, decided, outcomes))
        self.events += events_of(seen, decided, outcomes, before, self.status)
        return decided

    def _decided(self) -> tuple[JobSnapshot, JobPlan]:
        learn(self)
        seen = snapshot(self)
        decided = plan(seen)
        if decided.needs_proof:
            name = self.recorded.ray_cluster_name
            if name in self.clusters:
                self.view[name] = self.clusters[name].copy()
            else:
                self.memory.absent = name
            learn(self)
            seen = snapshot(self)
            decided = plan(seen)
        return seen, decided

    def _carry_out(self, decided: JobPlan, left: list[int]) -> list[Outcome]:
        outcomes = [self._do(action, left) for action in decided.first]
        for stage in decided.stages:
            done = [self._do(action, left) for action in stage]
            outcomes += done
            if not all(isinstance(outcome, Succeeded) for outcome in done):
                break
        return [*outcomes, *(self._do(action, left) for action in decided.last)]

    def _do(self, action: Action, left: list[int]) -> Outcome:
        if left[0] <= 0:
            return NotTried(action)
        left[0] -= 1
        return carry_out(action, self)

    def _write(self, status: dict[str, Any]) -> None:
        before, self.status = self.status.get("jobDeploymentStatus", ""), dict(status)
        after = self.status.get("jobDeploymentStatus", "")
        if after != before:
            self.history.append(after)
            assert before not in ENDED, "the end is the end"
            if after in {"Failed", "Retrying"} and self.recorded.verdict.cause not in IN_SPITE_OF_RAY:
                runs = [each for each in self.clusters.values() if each.answers and self.running_in(each)]
                assert not runs, "a job that runs well is not given up"
        assert (after in ENDED) == ("endTime" in self.status)

    # What is seen

    @property
    def recorded(self) -> RayJobStatus:
        return recorded(self.status)

    @property
    def state(self) -> str:
        return self.recorded.job_deployment_status

    @property
    def cluster(self) -> LiveCluster:
        """The only cluster."""
        (only,) = self.clusters.values()
        return only

    @property
    def gpus(self) -> int:
        return sum(pod.gpus for each in self.clusters.values() if each.owned for pod in each.pods)

    def running_in(self, cluster: LiveCluster) -> list[str]:
        """The jobs of this RayJob that run there."""
        ours = {job_id for uid, _, job_id in self.submissions if uid == cluster.uid}
        return [
            each.submission_id
            for each in cluster.jobs.values()
            if each.status in LIVE and each.submission_id in ours
        ]

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        found = next(c for c in self.recorded.conditions if c.type == kind)
        return found.status, found.reason, found.message

    @property
    def job(self) -> Root:
        return Root(
            key=Key("RayJob", "ml", self.name),
            uid=JOB_UID,
            resource_version=7,
            generation=self.generation,
            deleting=bool(self.deleted_at),
            deleted=self.deleted_at,
            labels={},
            annotations={},
            spec=self.spec,
            status=self.status,
            finalizers=self.finalizers,
        )
