"""From the caches to a snapshot: it reads, and decides nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from rayfleet.api.raycluster import RayClusterSpec, parse_spec, scales_here
from rayfleet.api.violation import Violation
from rayfleet.engine.kind import Look
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.pod_settings import DEFAULT, PodSettings
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kinds.raycluster.validity import Judgement, ParsedSpec, judge
from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.cache.recent import Recent
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.kube.objects.services import Service

T = TypeVar("T", Pod, Service)

JUDGED = 512
"""Clusters whose judged spec is kept for their next pass: as many as are likely in a burst of passes. Parsing
and checking a spec takes longer than the rest of a pass without actions."""
PARSED = 128
"""Different specs kept parsed. Clusters made from one template share theirs."""
LARGEST_JUDGED = 4 << 20
"""Bytes of the JSON of all judged specs, and of all parsed ones, which take five to twenty times that."""
_SCALES = b'"enableInTreeAutoscaling":true'
"""In a stored spec, if the cluster may scale with its queue; the spec need not be parsed for that."""
_Parsed: TypeAlias = RayClusterSpec | tuple[Violation, ...]
_Refused: TypeAlias = tuple[str, Mapping[str, str], Mapping[str, str], bytes | None, PodSettings]
_Judged: TypeAlias = tuple[bytes | None, Mapping[str, str], Mapping[str, str], _Refused | None]


class _Known(Struct):
    """A judgement and its input."""

    judged: _Judged
    last_valid: bytes | None
    judgement: Judgement
    worked_out: dict[str, Any]
    """What plans have computed from that."""
    pods: tuple[Sequence[Pod], object, tuple[Pod, ...]] | None = None
    """Cached pods and a status, and the pods identified from them, oldest first."""

    def holds(self, judged: _Judged, last_valid: bytes | None) -> bool:
        """Whether it would be the same now; the last valid spec matters only if there are violations."""
        return self.judged == judged and (not self.judgement.violations or self.last_valid == last_valid)


class View(Struct, frozen=True):
    """The caches in which clusters are observed."""

    clusters: RootStore
    pods: Store[Pod]
    services: Store[Service]
    scaling: ScalingSources
    pod_settings: PodSettings = DEFAULT
    _judged: Recent[Key, _Known] = field(default_factory=lambda: Recent(JUDGED, LARGEST_JUDGED))
    _parsed: Recent[bytes, _Parsed] = field(default_factory=lambda: Recent(PARSED, LARGEST_JUDGED))

    def learn(self, cluster: Root, memory: ClusterMemory, moment: Look) -> None:
        """Record what has been reported about a cluster's pods and Ray since the last pass."""
        memory.meet(moment)
        stray = memory.stray_head
        if stray is not None and (
            self.pods.is_gone(stray) or any(pod.uid == stray.uid for pod in _owned(self.pods, cluster))
        ):
            memory.stray_head = None
        heard = self.scaling.heads.observation(cluster.key)
        if heard is None and not memory.endings.matter(self._cached(cluster, memory)):
            return
        known = self._judge(cluster, memory, self._settings(memory), moment.now)
        pods, spec = self._pods(cluster, memory, known), known.judgement.spec
        memory.endings.see(pods, moment.now)
        if spec is not None and scales_here(spec):
            self.scaling.learn(cluster.key, memory, pods, moment.now)

    def snapshot(
        self, cluster: Root, memory: ClusterMemory, other_operator: str | None, now: float
    ) -> Snapshot:
        """Everything known about a cluster. Observing changes nothing."""
        settings = self._settings(memory)
        known = self._judge(cluster, memory, settings, now)
        judgement, pods = known.judgement, self._pods(cluster, memory, known)
        scaling = self.scaling.ceilings_view(memory)
        if judgement.spec is not None and scales_here(judgement.spec):
            scaling = self.scaling.view(cluster.key, judgement.spec, memory, pods, now)
        return Snapshot(
            cluster=cluster,
            spec=judgement.spec,
            violations=judgement.violations,
            withheld=judgement.withheld,
            pod_settings=settings,
            pods=pods,
            services=tuple(_owned(self.services, cluster)),
            now=now,
            rivals=tuple(self._rivals(cluster)),
            refused=memory.refused.withheld(now),
            worked_out=known.worked_out,
            held=memory.held,
            settling=memory.endings.settling,
            auth_secret_made=memory.auth_secret_made,
            other_operator=other_operator,
            scaling=scaling,
        )

    def may_scale(self, key: Key) -> bool:
        """Whether a cluster scales with its queue, as far as known without parsing its spec."""
        known = self._judged.get(key)
        if known is not None and known.judgement.spec is not None:
            return scales_here(known.judgement.spec)
        stored = self.clusters.stored_spec(key)
        return stored is None or _SCALES in stored

    def _settings(self, memory: ClusterMemory) -> PodSettings:
        """The administrator's settings, with what the namespace was found to require."""
        settings = self.pod_settings
        if memory.wait_least is None:
            return settings
        return replace(settings, wait=settings.wait.at_least(memory.wait_least))

    def _pods(self, cluster: Root, memory: ClusterMemory, known: _Known) -> tuple[Pod, ...]:
        """The cluster's pods as they were created (see identity.py), oldest first."""
        cached, before = self._cached(cluster, memory), known.pods
        if before is None or before[0] != cached or before[1] is not cluster.status:
            created = identified(cluster, known.judgement.spec, cached)
            pods = tuple(sorted(created, key=lambda pod: (pod.created, pod.name)))
            before = known.pods = cached, cluster.status, pods
        return before[2]

    def _cached(self, cluster: Root, memory: ClusterMemory) -> list[Pod]:
        """The cluster's cached pods, and its head if no watch shows it."""
        cached, stray = [*_owned(self.pods, cluster)], memory.stray_head
        if stray is not None and all(pod.uid != stray.uid for pod in cached):
            cached.append(stray)
        return cached

    def _rivals(self, cluster: Root) -> Iterator[Pod]:
        """Heads that do not belong to this cluster, but that its Service may select."""
        key = cluster.key
        for pod in (*self.pods.owned_by(key), *self.pods.unowned(key.namespace)):
            others = pod.owner is None or pod.owner.uid != cluster.uid
            if others and pod.labels and not pod.ended:
                yield pod

    def _judge(self, cluster: Root, memory: ClusterMemory, settings: PodSettings, now: float) -> _Known:
        messages, withheld = memory.refused.words, memory.refused.withheld(now)
        # What replaces a refused template depends on the other refusals, and on what was accepted.
        refused = (cluster.uid, messages, withheld, memory.proven, settings) if messages else None
        stored = self.clusters.stored_spec(cluster.key)
        judged = (stored, cluster.labels, cluster.annotations, refused)
        known = self._judged.get(cluster.key)
        if known is None or not known.holds(judged, memory.last_valid):
            same = (memory.last_valid, memory.valid_with) == (stored, (cluster.labels, cluster.annotations))
            judgement = judge(
                cluster,
                memory.last_valid,
                memory.proven,
                messages,
                withheld,
                settings,
                ParsedSpec(self._parse(cluster, stored), same),
            )
            known = _Known(judged, memory.last_valid, judgement, {})
            # What is acted on instead of a faulty spec may be larger.
            sizes = [len(spec or b"") for spec in (stored, memory.last_valid, memory.proven)]
            self._judged.put(cluster.key, known, max(sizes))
        return known

    def _parse(self, cluster: Root, stored: bytes | None) -> _Parsed:
        """The spec of a cluster, parsed, or what is wrong with its form."""
        known = None if stored is None else self._parsed.get(stored)
        if known is None:
            known = parse_spec(cluster.spec)
            if stored is not None:
                self._parsed.put(stored, known, len(stored))
        return known


def _owned(store: Store[T], cluster: Root) -> Iterator[T]:
    """The children of this cluster by uid, not those of an earlier one of the same name."""
    for child in store.owned_by(cluster.key):
        if child.owner is not None and child.owner.uid == cluster.uid:
            yield child
