"""From the caches to a snapshot: reading, and no choices."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from rayfleet.api.raycluster import scales_here
from rayfleet.engine.kind import Look
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.pod_settings import DEFAULT, PodSettings
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.sources.scaling import ScalingSources
from rayfleet.kinds.raycluster.validity import Judgement, judge
from rayfleet.kube.cache import RootStore, Store
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from rayfleet.kube.objects.services import Service

T = TypeVar("T", Pod, Service)

JUDGED = 128
"""Clusters whose judged spec is kept, parsed, for their next pass: as many as are likely to be in a burst
of passes. To parse and check a spec takes longer than all else that a pass without actions does."""
_Refused: TypeAlias = tuple[str, Mapping[str, str], Mapping[str, str], bytes | None, PodSettings]
_Judged: TypeAlias = tuple[bytes | None, Mapping[str, str], Mapping[str, str], _Refused | None]


@dataclass(slots=True)
class _Known:
    """A judgement, and what it was made from."""

    judged: _Judged
    last_valid: bytes | None
    judgement: Judgement
    worked_out: dict[str, Any]
    """What plans have worked out from that."""
    pods: tuple[Sequence[Pod], object, tuple[Pod, ...]] | None = None
    """Pods and a status as they were seen, and the pods as what they were made as, oldest first."""

    def holds(self, judged: _Judged, last_valid: bytes | None) -> bool:
        """Whether it would be the same now: what was valid before counts where something is wrong."""
        return self.judged == judged and (not self.judgement.violations or self.last_valid == last_valid)


@dataclass(frozen=True, slots=True)
class View:
    """The caches that a cluster is observed in."""

    clusters: RootStore
    pods: Store[Pod]
    services: Store[Service]
    scaling: ScalingSources
    pod_settings: PodSettings = DEFAULT
    _judged: OrderedDict[Key, _Known] = field(default_factory=OrderedDict)

    def learn(self, cluster: Root, memory: ClusterMemory, moment: Look) -> None:
        """Take in what was heard of a cluster since the last look: of its pods, and of its Ray."""
        memory.meet(moment)
        stray = memory.stray_head
        if stray is not None and (
            self.pods.is_gone(stray) or any(pod.uid == stray.uid for pod in _owned(self.pods, cluster))
        ):
            memory.stray_head = None
        heard = self.scaling.heads.observation(cluster.key)
        if heard is None and not memory.endings.matter(self._found(cluster, memory)):
            return
        known = self._judge(cluster, memory, self._settings(memory), moment.now)
        pods, spec = self._pods(cluster, memory, known), known.judgement.spec
        memory.endings.see(pods, moment.now)
        if spec is not None and scales_here(spec):
            self.scaling.learn(cluster.key, memory, pods, moment.now)

    def snapshot(
        self, cluster: Root, memory: ClusterMemory, other_operator: str | None, now: float
    ) -> Snapshot:
        """Everything known of a cluster. Looking changes nothing."""
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
        """Whether a cluster scales with its queue, as far as is known without looking at its spec."""
        known = self._judged.get(key)
        return known is None or known.judgement.spec is None or scales_here(known.judgement.spec)

    def _settings(self, memory: ClusterMemory) -> PodSettings:
        """The administrator's, and what the namespace was seen to ask for."""
        settings = self.pod_settings
        if memory.wait_least is None:
            return settings
        return replace(settings, wait=settings.wait.at_least(memory.wait_least))

    def _pods(self, cluster: Root, memory: ClusterMemory, known: _Known) -> tuple[Pod, ...]:
        """The cluster's pods as what they were made as, oldest first."""
        found, before = self._found(cluster, memory), known.pods
        if before is None or before[0] != found or before[1] is not cluster.status:
            made = identified(cluster, known.judgement.spec, found)
            pods = tuple(sorted(made, key=lambda pod: (pod.created, pod.name)))
            before = known.pods = found, cluster.status, pods
        return before[2]

    def _found(self, cluster: Root, memory: ClusterMemory) -> list[Pod]:
        """The cluster's pods as they are cached, and its head where no watch shows it."""
        found, stray = [*_owned(self.pods, cluster)], memory.stray_head
        if stray is not None and all(pod.uid != stray.uid for pod in found):
            found.append(stray)
        return found

    def _rivals(self, cluster: Root) -> Iterator[Pod]:
        """Heads that are not this cluster's, where its Service may find them."""
        key = cluster.key
        for pod in (*self.pods.owned_by(key), *self.pods.unowned(key.namespace)):
            others = pod.owner is None or pod.owner.uid != cluster.uid
            if others and pod.labels and not pod.ended:
                yield pod

    def _judge(self, cluster: Root, memory: ClusterMemory, settings: PodSettings, now: float) -> _Known:
        words, withheld = memory.refused.words, memory.refused.withheld(now)
        # What is acted on instead of a refused template depends on what else was refused, and what was taken.
        refused = (cluster.uid, words, withheld, memory.proven, settings) if words else None
        judged = (self.clusters.stored_spec(cluster.key), cluster.labels, cluster.annotations, refused)
        known = self._judged.pop(cluster.key, None)
        if known is None or not known.holds(judged, memory.last_valid):
            judgement = judge(cluster, memory.last_valid, memory.proven, words, withheld, settings)
            known = _Known(judged, memory.last_valid, judgement, {})
        self._judged[cluster.key] = known
        if len(self._judged) > JUDGED:
            self._judged.popitem(last=False)
        return known


def _owned(store: Store[T], cluster: Root) -> Iterator[T]:
    """The children of this very cluster, not of one that had its name before."""
    for child in store.owned_by(cluster.key):
        if child.owner is not None and child.owner.uid == cluster.uid:
            yield child
