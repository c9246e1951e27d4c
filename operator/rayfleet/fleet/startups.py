"""How long workers take from the demand for them to their place in Ray, by phase."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct, field

from rayfleet.kube.client.calls import Durations
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod

CREATE: Final = "create"
SCHEDULE: Final = "schedule"
IMAGE: Final = "image"
START: Final = "start"
JOIN: Final = "join"
TOTAL: Final = "total"
PHASES: Final = (CREATE, SCHEDULE, IMAGE, START, JOIN, TOTAL)
STARTUP_SECONDS: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper bounds by which these durations are counted."""


class Creation(NamedTuple):
    """What one pass did about missing workers of a cluster."""

    wanted: Mapping[str, float]
    """The groups that it was to create pods in, and since when if not since an earlier pass; Unix seconds."""
    made: Sequence[tuple[str, str]]
    """Group and name of each pod that it created."""
    lacking: Collection[str]
    """Those of the groups that still lack pods."""


NOTHING_CREATED: Final = Creation({}, (), ())


class _Starting(Struct):
    """Workers of one cluster that are on their way."""

    uid: str
    lacking: dict[str, float] = field(default_factory=dict)
    """Since when each group has fewer pods than it should, Unix seconds."""
    pods: dict[str, float] = field(default_factory=dict)
    """Since when each pod, by name, has been asked for, Unix seconds."""


class Startups:
    """Times the workers that this process has created: who knows since when another leader wanted its own."""

    def __init__(self) -> None:
        self.durations = {phase: Durations(STARTUP_SECONDS) for phase in PHASES}
        self._clusters: dict[Key, _Starting] = {}

    def is_waiting(self, key: Key) -> bool:
        """Whether workers of a cluster are on their way."""
        known = self._clusters.get(key)
        return known is not None and bool(known.pods)

    def joined(self, key: Key, uid: str, pods: Iterable[Pod], joined: Mapping[str, float]) -> None:
        """Record the workers that have arrived, each with the time, and forget those that never will.

        `pods` are all that there are of the cluster.
        """
        known = self._clusters.get(key)
        if known is None or known.uid != uid:
            return
        left = {}
        for pod in pods:
            since = known.pods.get(pod.name)
            if since is None or not pod.active:
                continue
            if pod.name in joined and pod.phase != "Pending":
                self._arrived(pod, since, joined[pod.name])
            else:
                left[pod.name] = since
        known.pods = left

    def passed(self, key: Key, uid: str, creation: Creation, now: float) -> None:
        """A pass over a cluster has ended at `now`."""
        known = self._clusters.get(key)
        if known is None or known.uid != uid:
            if creation is NOTHING_CREATED and known is None:
                return  # Nearly always.
            known = _Starting(uid)
        lacking = {group: known.lacking.get(group, since) for group, since in creation.wanted.items()}
        for group, name in creation.made:
            known.pods[name] = since = lacking.get(group, now)
            self.durations[CREATE].add(now - since)
        known.lacking = {group: since for group, since in lacking.items() if group in creation.lacking}
        if known.lacking or known.pods:
            self._clusters[key] = known
        else:
            self._clusters.pop(key, None)

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._clusters.pop(key, None)

    def forget_all(self) -> None:
        """Another operator leads."""
        self._clusters.clear()

    def _arrived(self, pod: Pod, since: float, at: float) -> None:
        scheduled, started = pod.scheduled_after, pod.started_after
        if scheduled is not None:
            self.durations[SCHEDULE].add(scheduled)
        if pod.pulled_in is not None:
            self.durations[IMAGE].add(pod.pulled_in)
        if scheduled is not None and started is not None:
            self.durations[START].add(started - scheduled)
            self.durations[JOIN].add(at - pod.created - started)
        self.durations[TOTAL].add(at - since)
