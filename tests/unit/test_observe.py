"""From the caches to a snapshot: the owners of pods, and the spec that counts."""

from typing import Any

from msgspec.structs import replace

from rayfleet.api.names import NodeType
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.keys import Owner
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.services import Service
from support.builders import NOW, cluster, head, service, spec, worker
from support.passes import Passes, passes


def seen(bed: Passes, memory: ClusterMemory | None = None) -> Snapshot:
    return bed.view.snapshot(bed.cluster, memory or ClusterMemory(), None, NOW)


def keep(bed: Passes, *children: Pod | Service) -> None:
    for child in children:
        known = replace(child, resource_version=1500)
        if isinstance(known, Pod):
            bed.pods.apply(known)
        else:
            bed.services.apply(known)


async def test_objects_belong_to_a_cluster_by_its_uid_and_not_by_its_name() -> None:
    """Another cluster had its name before."""
    async with passes() as bed:
        bed.stored()
        of, earlier = bed.cluster, cluster(uid="an-earlier-one")
        keep(bed, head(of), worker(of, 1), service(of))
        keep(bed, head(earlier), worker(earlier, 1), replace(service(earlier), name="old"))
        keep(
            bed, worker(of, 2, owner=None), worker(of, 3, owner=Owner("RayCluster", "other", "uid-of-other"))
        )
        snapshot = seen(bed)
        assert {pod.name for pod in snapshot.pods} == {head(of).name, worker(of, 1).name}
        assert {each.uid for each in snapshot.services} == {"uid-service"}


async def test_pods_are_what_they_were_created_as_and_sorted_by_age() -> None:
    async with passes() as bed:
        bed.stored()
        of = bed.cluster
        keep(
            bed,
            worker(of, 2, node_type="aside"),
            head(of, node_type="aside", created=NOW),
            worker(of, 1, group="x"),
        )
        assert [(pod.name, pod.node_type, pod.group) for pod in seen(bed).pods] == [
            (worker(of, 1).name, NodeType.WORKER, "gpu"),
            (worker(of, 2).name, NodeType.WORKER, "gpu"),
            (head(of).name, NodeType.HEAD, "headgroup"),
        ]


async def test_a_head_that_no_watch_shows_is_seen_once_while_it_is_remembered() -> None:
    async with passes() as bed:
        bed.stored()
        stray = head(bed.cluster, node_type="")
        memory = ClusterMemory(stray_head=stray)
        assert [pod.node_type for pod in seen(bed, memory).pods] == [NodeType.HEAD]
        keep(bed, stray)
        assert len(seen(bed, memory).pods) == 1


async def test_foreign_heads_that_its_service_may_select_are_seen() -> None:
    """Those of an earlier cluster of its name, and of nobody; not those of others, nor what has ended."""
    labels = (("ray.io/cluster", "demo"),)
    async with passes() as bed:
        bed.stored()
        earlier, other = cluster(uid="an-earlier-one"), cluster(uid="other", name="other")
        fields: dict[str, Any] = {"labels": labels}
        orphan = head(cluster(uid="deleted"), owner=None, **fields)
        keep(bed, head(bed.cluster, **fields), head(earlier, **fields), orphan, head(other, **fields))
        keep(bed, head(cluster(uid="ended"), owner=None, phase="Failed", **fields))
        keep(bed, worker(earlier, 1), head(cluster(uid="elsewhere"), owner=None, namespace="else", **fields))
        assert {pod.name for pod in seen(bed).rivals} == {head(earlier).name, orphan.name}


async def test_the_last_valid_spec_counts_while_the_stored_one_is_invalid() -> None:
    """None counts if this process knows of none; and a judgement is dropped with its subject."""
    async with passes() as bed:
        bed.stored()
        valid, good = bed.clusters.stored_spec(bed.cluster.key), seen(bed)
        assert good.spec is not None
        assert good.spec is seen(bed).spec, "it is parsed once"
        bed.stored({**spec(), "headGroupSpec": None}, version=1001)
        assert (seen(bed).spec, bool(seen(bed).violations)) == (None, True)
        assert seen(bed, ClusterMemory(last_valid=valid)).spec == good.spec
        bed.stored(version=1002)
        assert (seen(bed).spec, seen(bed).violations) == (good.spec, ())
