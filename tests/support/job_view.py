"""What the operator knows of a simulated job: what it learns, remembers, and sees in one moment."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec.structs import replace

from rayfleet.api.rayjob import RayJobSpec, parse_spec, spec_of, validate
from rayfleet.api.violation import Violation
from rayfleet.kinds.rayjob.snapshot import (
    Cluster,
    Found,
    Heard,
    JobSnapshot,
    JobUnknown,
    NoCluster,
    Unreachable,
)
from support.job_cluster import facts_of

if TYPE_CHECKING:
    from support.job_world import World

Judged: TypeAlias = tuple[Mapping[str, Any], RayJobSpec | None, tuple[Violation, ...]]
"""A spec as it is stored, its model if it is valid, and what is wrong with it."""


def snapshot(world: "World") -> JobSnapshot:
    """Everything as the caches have it now."""
    job, (_, spec, violations) = world.job, judged(world)
    is_whole = spec is not None
    if spec is None and world.known is not None:
        parsed = parse_spec(world.known)
        assert isinstance(parsed, RayJobSpec)
        job, spec, is_whole = replace(job, spec=world.known), parsed, True
    status, name = world.recorded, world.recorded.ray_cluster_name
    about, heard = world.heard or ("", None)
    meter = world.memory.meter
    return JobSnapshot(
        job=job,
        spec=spec_of(status.kept_rules) if spec is None else spec,
        violations=violations,
        now=world.now,
        is_whole=is_whole,
        cluster=_cluster(world, name) if name else None,
        submitter=world.submitter_view,
        service=world.service,
        heard=heard if about == status.job_id else None,
        losses=tuple(world.memory.losses.values()),
        refused=world.memory.refused,
        silent_since=world.memory.silent_since,
        gpu_seconds=None if meter is None or status.has_ended else meter.gpu_seconds,
    )


def judged(world: "World") -> Judged:
    if world.judged is None or world.judged[0] is not world.spec:
        parsed = parse_spec(world.spec)
        violations = parsed if isinstance(parsed, tuple) else validate(parsed, name=world.name)
        spec = parsed if isinstance(parsed, RayJobSpec) and not violations else None
        world.judged = world.spec, spec, violations
    return world.judged


def learn(world: "World") -> None:
    """Take in what the caches have."""
    if judged(world)[1] is not None:
        world.known = world.spec
    status = world.recorded
    cluster = world.view.get(status.ray_cluster_name)
    if cluster is not None:
        world.memory.absent = ""
    if status.ray_cluster_name and not status.has_ended:
        pods = [] if cluster is None else cluster.pods
        world.memory.see(status.attempt or 0, pods, world.now)
        own = pods if cluster is not None and cluster.owned else ()
        world.memory.measure(status, own, world.now, is_clock_set=False)


def _cluster(world: "World", name: str) -> Cluster:
    cluster = world.view.get(name)
    if cluster is None:
        return NoCluster(confirmed=world.memory.absent == name)
    return facts_of(cluster)


def ask(world: "World") -> None:
    """A question is sent, if the last pass wanted that, to the head that the caches have."""
    name, job_id = world.recorded.ray_cluster_name, world.recorded.job_id
    at, there = world.view.get(name), world.clusters.get(name)
    if not world.asking or not job_id or at is None or not at.head or at.leaving or at.deleting:
        world.heard = world.unreachable_since = world.question = None
        return
    is_it = there is not None and (there.uid, there.epoch) == (at.uid, at.epoch)
    if there is None or not is_it or not there.answers or not world.is_reachable:
        since = world.now if world.unreachable_since is None else world.unreachable_since
        world.unreachable_since = since
        world.question = job_id, Heard(Unreachable(since, "no route"), since, at.uid, at.epoch)
        return
    world.unreachable_since = None
    job = there.jobs.get(job_id)
    world.question = job_id, Heard(JobUnknown() if job is None else Found(job), world.now, at.uid, at.epoch)


def answer(world: "World") -> None:
    """The answer to the last question arrives. Of when it was asked is known only that it was before."""
    if world.question is None:
        return
    about, heard = world.question
    asked = heard.asked if isinstance(heard.answer, Unreachable) else world.now
    world.heard, world.question = (about, replace(heard, asked=asked)), None
