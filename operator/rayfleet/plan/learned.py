"""What running nodes tell about the next one of their group: resources and labels that no manifest has."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rayfleet.ray_state import NodeStatus, RayNode, RayState, Resources

SAMPLE: Final = 16
"""Nodes of a group that are looked at: equal ones have no more to say."""
_OWN_RESOURCES: Final = ("node:", "object_store_memory")
_SLICE: Final = "ray.io/tpu-slice-name"
_OWN_LABELS: Final = ("ray.io/node-id", _SLICE, "ray.io/tpu-subslice-", "kubernetes.io/hostname")
"""Beginnings of labels that tell one node, or one slice, from others."""


class Learned(NamedTuple):
    """About one group."""

    resources: Resources = ()
    """CPUs of a pod without limits are the machine's, and so on."""
    labels: tuple[tuple[str, str], ...] = ()
    """Those that the nodes have in common, sorted by key."""


NOTHING_LEARNED: Final = Learned()


def learned(state: RayState | None) -> dict[str, Learned]:
    """By group, what the first of its nodes have turned out to have."""
    samples: dict[str, list[RayNode]] = {}
    for node in state.nodes if state is not None else ():
        if node.status is not NodeStatus.DEAD and node.total:
            sample = samples.setdefault(node.group, [])
            if len(sample) < SAMPLE:
                sample.append(node)
    return {group: Learned(_resources(nodes), _labels(nodes)) for group, nodes in samples.items()}


def _resources(nodes: Sequence[RayNode]) -> Resources:
    shared = set.intersection(*[{name for name, _ in node.total} for node in nodes])
    slices = {value for node in nodes for key, value in node.labels if key == _SLICE}
    return tuple(
        (name, amount)
        for name, amount in nodes[0].total
        if name in shared and name not in slices and not name.startswith(_OWN_RESOURCES)
    )


def _labels(nodes: Sequence[RayNode]) -> tuple[tuple[str, str], ...]:
    shared = set.intersection(*[set(_common(node.labels)) for node in nodes])
    return tuple(sorted(shared))


def _common(labels: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [label for label in labels if not label[0].startswith(_OWN_LABELS)]
