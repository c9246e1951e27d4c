"""Which workers of a group go when it has more than it wants."""

from collections.abc import Sequence

from rayfleet.kube.objects.pods import Pod


def victims(pods: Sequence[Pod], surplus: int) -> tuple[Pod, ...]:
    """The `surplus` pods whose loss costs least: those still pending first, then the newest."""
    by_cost = sorted(pods, key=lambda pod: (pod.phase != "Pending", -pod.created, -pod.index, pod.name))
    return tuple(by_cost[: max(surplus, 0)])
