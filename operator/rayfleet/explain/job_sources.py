"""The input of an explanation of a RayJob: the object, and what is known about its cluster."""

from msgspec import Struct

from rayfleet.api.rayjob import RayJobSpec
from rayfleet.api.rayjob.status import RayJobStatus, recorded
from rayfleet.explain.explanation import Explanation
from rayfleet.explain.sources import EventNote
from rayfleet.kube.objects.roots import Root


class JobSources(Struct, frozen=True):
    """Everything that an explanation of a job is based on."""

    job: Root
    spec: RayJobSpec | None
    """None if the stored spec is not valid."""
    now: float
    """Unix seconds."""
    cluster: Explanation | None = None
    """None if there is none, or it cannot be read."""
    cluster_trouble: str = ""
    """Why it is not known; empty if it is, or the job has none."""
    events: tuple[EventNote, ...] = ()
    missing: tuple[str, ...] = ()
    """What could not be read, and why."""

    @property
    def status(self) -> RayJobStatus:
        """What the operator recorded."""
        return recorded(self.job.status)
