"""GPU-seconds of each cluster: those that its pods hold, and those that Ray uses and leaves idle."""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from rayfleet.api.accelerators import RAY_NAMES
from rayfleet.kube.objects.keys import Key
from rayfleet.kube.objects.pods import Pod
from rayfleet.ray.state import NodeStatus, RayNode, RayState


class GpuUse(NamedTuple):
    """GPUs of one cluster at one moment, or its GPU-seconds up to then."""

    allocated: float
    """Of pods that hold devices, as requested in Kubernetes."""
    used: float | None = None
    """Those of them that Ray's work uses; None if Ray's state is not known."""
    idle: float | None = None
    """Those of them on nodes that Ray reports as idle."""


NOTHING: Final = GpuUse(0)


def gpu_use(pods: Iterable[Pod], state: RayState | None) -> GpuUse:
    """The GPUs of a cluster now.

    A head may report anything. No pod uses more than it has, and of several nodes with its name the
    first one counts that is not dead.
    """
    gpus = {pod.name: pod.gpus for pod in pods if pod.gpus and pod.holds_devices}
    allocated = sum(gpus.values())
    if state is None or not gpus:
        return GpuUse(allocated, *((None, None) if state is None else (0, 0)))
    used, idle = 0.0, 0
    for node in state.nodes:
        if node.instance_id not in gpus or node.status is NodeStatus.DEAD:
            continue
        there = gpus.pop(node.instance_id)  # Another node of the same name does not have them again.
        if node.status is NodeStatus.IDLE:
            idle += there
        else:
            used += min(_used(node), there)
        if not gpus:
            break
    return GpuUse(allocated, used, idle)


def _used(node: RayNode) -> float:
    # A head may list a thousand resources of a node.
    total, free = dict(node.total), dict(node.available)
    return sum([max(0.0, total[name] - free.get(name, 0.0)) for name in total.keys() & RAY_NAMES])


class _Account(Struct):
    """What one cluster has used so far, and uses since."""

    uid: str
    at: float
    now: GpuUse
    allocated: float = 0.0
    used: float = 0.0
    idle: float = 0.0


class GpuSeconds:
    """Adds up what clusters use, from one look at each to the next."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accounts: dict[Key, _Account] = {}

    def account(self, key: Key, uid: str, now: GpuUse) -> GpuUse:
        """Record what a cluster uses from now on; return its GPU-seconds so far.

        They start at 0 when a cluster is first seen. While Ray's state is unknown nothing is counted as used
        or idle, and both are None.
        """
        at = self._clock()
        account = self._accounts.get(key)
        if account is None or account.uid != uid:
            if not now.allocated:  # Most clusters without GPUs never get any.
                self.forget(key)
                return now
            account = self._accounts[key] = _Account(uid, at, NOTHING)
        elapsed, before = max(0.0, at - account.at), account.now
        account.allocated += before.allocated * elapsed
        account.used += (before.used or 0) * elapsed
        account.idle += (before.idle or 0) * elapsed
        account.at, account.now = at, now
        return GpuUse(
            account.allocated,
            None if now.used is None else account.used,
            None if now.idle is None else account.idle,
        )

    def forget(self, key: Key) -> None:
        """The cluster is gone."""
        self._accounts.pop(key, None)

    def forget_all(self) -> None:
        """Another operator leads."""
        self._accounts.clear()
