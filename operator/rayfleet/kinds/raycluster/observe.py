"""From the caches to a snapshot: reading, and no choices."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias, TypeVar

from rayfleet.api.raycluster import scales_here
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


class _Known(NamedTuple):
    """A judgement, and what it was made from."""

    judged: _Judged
    last_valid: bytes | None
    judgement: Judgement
    worked_out: dict[str, Any]
    """What plans have worked out from that."""

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

    def snapshot(
        self, cluster: Root, memory: ClusterMemory, other_operator: str | None, now: float
    ) -> Snapshot:
        """Everything known of a cluster."""
        found = {pod.uid: pod for pod in _owned(self.pods, cluster)}
        if (stray := memory.stray_head) is not None:
            if stray.uid in found or self.pods.is_gone(stray):
                memory.stray_head = None
            else:
                found[stray.uid] = stray
        settings = self.pod_settings
        if memory.wait_least is not None:
            settings = replace(settings, wait=settings.wait.at_least(memory.wait_least))
        known = self._judge(cluster, memory, settings, now)
        judgement = known.judgement
        pods = sorted(
            identified(cluster, judgement.spec, found.values()), key=lambda pod: (pod.created, pod.name)
        )
        memory.endings.see(pods, now)
        scaling = self.scaling.ceilings_view(memory)
        if judgement.spec is not None and scales_here(judgement.spec):
            scaling = self.scaling.view(cluster.key, judgement.spec, memory, pods, now)
        refused = memory.refused.withheld(now)
        return Snapshot(
            cluster=cluster,
            spec=judgement.spec,
            violations=judgement.violations,
            withheld=judgement.withheld,
            pod_settings=settings,
            pods=tuple(pods),
            services=tuple(_owned(self.services, cluster)),
            now=now,
            rivals=tuple(self._rivals(cluster)),
            refused=refused,
            worked_out=known.worked_out,
            # Which spec is acted on instead of one at fault, labels and annotations have a say in.
            gpus=None
            if judgement.violations
            else memory.gpus_of(judgement.spec, cluster.generation, refused),
            held=memory.held,
            settling=memory.endings.settling,
            auth_secret_made=memory.auth_secret_made,
            other_operator=other_operator,
            scaling=scaling,
        )

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
