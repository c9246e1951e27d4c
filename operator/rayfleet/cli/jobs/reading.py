"""Reading a job and its cluster with the user's own rights. Whatever cannot be read is named."""

from rayfleet.api.names import is_object_name
from rayfleet.api.rayjob import RayJobSpec, parse_spec, validate
from rayfleet.api.rayjob.status import recorded
from rayfleet.cli.api_server import ApiServer
from rayfleet.cli.errors import CommandError
from rayfleet.cli.jobs.stopping import read_job
from rayfleet.cli.reading import events_about, read_sources
from rayfleet.errors import ApiFailure
from rayfleet.explain.explanation import Explanation, explanation_of
from rayfleet.explain.job_sources import JobSources
from rayfleet.kube.objects.roots import Root


def read_job_sources(server: ApiServer, namespace: str, name: str, now: float, *, ask: bool) -> JobSources:
    """Read a job and its cluster. Raises CommandError if the job itself cannot be read."""
    job = read_job(server, namespace, name)
    events = events_about(server, job)
    missing = (f"events cannot be read: {events.message}",) if isinstance(events, ApiFailure) else ()
    cluster = _cluster(server, job, now, ask=ask)
    return JobSources(
        job=job,
        spec=_spec(job),
        now=now,
        cluster=None if isinstance(cluster, str) else cluster,
        cluster_trouble=cluster if isinstance(cluster, str) else "",
        events=() if isinstance(events, ApiFailure) else events,
        missing=missing,
    )


def _cluster(server: ApiServer, job: Root, now: float, *, ask: bool) -> Explanation | str:
    """The explanation of its cluster, or why there is none; empty if the job has no cluster."""
    name = recorded(job.status).ray_cluster_name
    if not is_object_name(name):  # A status is what others may write.
        return ""
    try:
        return explanation_of(read_sources(server, job.key.namespace, name, now, ask=ask))
    except CommandError as error:
        return str(error)


def _spec(job: Root) -> RayJobSpec | None:
    spec = parse_spec(job.spec)
    if not isinstance(spec, RayJobSpec):
        return None
    broken = validate(spec, name=job.key.name, labels=job.labels, annotations=job.annotations)
    return None if broken else spec
