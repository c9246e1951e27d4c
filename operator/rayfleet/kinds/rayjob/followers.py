"""Which jobs depend on which cluster."""

from collections.abc import Iterable

from rayfleet.kube.objects.keys import Key


class Followers:
    """The jobs that look at a cluster: those that it was made for, and those that have selected it."""

    def __init__(self) -> None:
        self._of: dict[Key, set[Key]] = {}
        self._at: dict[Key, Key] = {}

    def note(self, job: Key, cluster: Key | None) -> None:
        """A job looks at this cluster now, and at no other one."""
        if self._at.get(job) == cluster:
            return
        self.forget(job)
        if cluster is not None:
            self._at[job] = cluster
            self._of.setdefault(cluster, set()).add(job)

    def forget(self, job: Key) -> None:
        """A job looks at no cluster any more."""
        cluster = self._at.pop(job, None)
        if cluster is None:
            return
        jobs = self._of[cluster]
        jobs.discard(job)
        if not jobs:
            del self._of[cluster]

    def of(self, cluster: Key) -> Iterable[Key]:
        """The jobs that look at a cluster."""
        return tuple(self._of.get(cluster, ()))
