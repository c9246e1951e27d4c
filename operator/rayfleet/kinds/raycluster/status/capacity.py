"""What a cluster requests from nodes: the sums in `status.desiredCPU`, `desiredMemory`, ..."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_UP, Context, Decimal
from functools import lru_cache
from typing import Any

from rayfleet.api.accelerators import TPU, is_gpu
from rayfleet.api.quantity import bounded_quantity, format_quantity
from rayfleet.api.raycluster import RayClusterSpec
from rayfleet.api.raycluster.status import RayClusterStatus
from rayfleet.kinds.raycluster.plan import Plan
from rayfleet.kinds.raycluster.snapshot import Snapshot

_NANO = Decimal("1e-9")
"""The smallest unit that Kubernetes counts; it rounds up to it."""
_EXACT = Context(prec=80)


def desired_capacity(snapshot: Snapshot, spec: RayClusterSpec, plan: Plan) -> RayClusterStatus:
    """CPU, memory, GPU and TPU of the head and of every wanted worker, as quantities."""
    sizes = tuple(map(plan.pods, spec.worker_group_specs))
    return snapshot.once("capacity", spec, sizes, lambda: _capacity(spec, sizes))


def _capacity(spec: RayClusterSpec, sizes: Sequence[int]) -> RayClusterStatus:
    total = {"cpu": Decimal(0), "memory": Decimal(0), "gpu": Decimal(0), "tpu": Decimal(0)}
    parts = [(spec.head_group_spec.template, 1)]
    parts += [(group.template, pods) for group, pods in zip(spec.worker_group_specs, sizes, strict=True)]
    for template, count in parts:
        for kind, amount in _of_template(template).items():
            total[kind] += amount * count
    return RayClusterStatus(
        desired_cpu=format_quantity(total["cpu"]),
        desired_memory=format_quantity(total["memory"], binary=True),
        desired_gpu=format_quantity(total["gpu"]),
        desired_tpu=format_quantity(total["tpu"]),
    )


def _of_template(template: Mapping[str, Any]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for container in (template.get("spec") or {}).get("containers") or ():
        asked = container.get("resources") or {}
        amounts = {**(asked.get("limits") or {}), **(asked.get("requests") or {})}
        for name, amount in amounts.items():
            kind = _kind(name)
            if kind is not None:
                total[kind] = total.get(kind, Decimal(0)) + _quantity(str(amount))
    return total


def _kind(resource: str) -> str | None:
    if resource in {"cpu", "memory"}:
        return resource
    if resource == TPU:
        return "tpu"
    return "gpu" if is_gpu(resource) else None


@lru_cache(1024)
def _quantity(amount: str) -> Decimal:
    try:
        return bounded_quantity(amount).quantize(_NANO, ROUND_UP, _EXACT)
    except ValueError:  # The API server refuses it when the pod is created.
        return Decimal(0)
