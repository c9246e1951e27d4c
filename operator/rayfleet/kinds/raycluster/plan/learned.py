"""What running nodes show about the next one of their group: resources and labels that no manifest has."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from rayfleet.kinds.raycluster.manifests import is_of_one_host
from rayfleet.ray.state import NodeStatus, RayNode, RayState, Resources

SAMPLE: Final = 16
"""Nodes of a group that are examined: more equal nodes add nothing."""
_OWN_RESOURCES: Final = ("node:", "object_store_memory")
_SLICE: Final = "ray.io/tpu-slice-name"
_OWN_LABELS: Final = (
    "ray.io/node-id",
    _SLICE,
    "ray.io/tpu-worker-id",
    "ray.io/tpu-subslice-",
    "kubernetes.io/hostname",
)
"""Prefixes of labels that tell one node, or one slice, from others."""


class Learned(NamedTuple):
    """About one group."""

    resources: Resources = ()
    """CPUs of a pod without limits are the machine's, and so on."""
    first_host: Resources = ()
    """What one host of each multi-host replica has in addition."""
    labels: tuple[tuple[str, str], ...] = ()
    """Labels that the nodes have in common, sorted by key."""


NOTHING_LEARNED: Final = Learned()


def learned(state: RayState | None, replicas: Mapping[str, str]) -> dict[str, Learned]:
    """What the first nodes of each group have, by group.

    `replicas` maps pods of multi-host groups to their replica.
    """
    samples: dict[str, list[RayNode]] = {}
    for node in state.nodes if state is not None else ():
        if node.status is not NodeStatus.DEAD and node.total:
            sample = samples.setdefault(node.group, [])
            if len(sample) < SAMPLE:
                sample.append(node)
    return {group: _of_nodes(nodes, replicas) for group, nodes in samples.items()}


def _of_nodes(nodes: Sequence[RayNode], replicas: Mapping[str, str]) -> Learned:
    shared = set.intersection(*[{name for name, _ in node.total} for node in nodes])
    slices = {value for node in nodes for key, value in node.labels if key == _SLICE}
    labels = [{label for label in node.labels if not label[0].startswith(_OWN_LABELS)} for node in nodes]
    own = {name: amount for name, amount in _partial(nodes, shared, replicas) if name not in slices}
    return Learned(
        tuple(
            (name, amount)
            for name, amount in nodes[0].total
            if name in shared and name not in slices and not name.startswith(_OWN_RESOURCES)
        ),
        tuple(sorted(own.items())),
        tuple(sorted(set.intersection(*labels))),
    )


def _partial(
    nodes: Sequence[RayNode], shared: set[str], replicas: Mapping[str, str]
) -> Iterator[tuple[str, float]]:
    """What exactly one host of each replica has."""
    all_replicas = {replicas.get(node.instance_id, "") for node in nodes}
    amounts = {name: amount for node in nodes for name, amount in node.total if name not in shared}
    for name, amount in amounts.items():
        having = Counter(
            replicas.get(n.instance_id, "") for n in nodes if any(has == name for has, _ in n.total)
        )
        one_each = having.keys() == all_replicas and set(having.values()) == {1}
        if is_of_one_host(name) or (one_each and not name.startswith(_OWN_RESOURCES)):
            yield name, amount
