"""Accelerators: what Ray calls them, what Kubernetes calls them, and how many a pod takes."""

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final

from rayfleet.api.quantity import parse_quantity

RAY_NAMES: Final = frozenset({"GPU", "TPU", "neuron_cores", "HPU", "NPU", "TTNPU", "RBLN", "FURIOSA", "MBLT"})
"""Resources under which Ray counts accelerators."""
TPU: Final = "google.com/tpu"
OF_OWN_NAME: Final = {"aws.amazon.com/neuroncore": "neuron_cores", TPU: "TPU"}
"""Resources of containers that Ray is told of under a name of its own, if they are there."""
_GPU: Final = re.compile(r".*gpu|nvidia\.com/mig-.+")
"""Resources of containers that Ray is told of as its GPUs."""
_OF_ACCELERATORS: Final = ("accelerator_type:", "TPU-")
"""Beginnings of the names of resources that Ray adds on nodes with an accelerator."""
_WORDS: Final = re.compile(
    r"[a-z]*gpus?|tpus?|[a-z]*npus?|hpus?|neuron[a-z]*|gaudi\d*|ascend\w*|dcu(num)?|mlu\w*|xpus?|ppus?|fpga\w*"
    r"|rbln\w*|atom|furiosa|rngd|warboy|mblt|mig|vcuda|qaic|tenstorrent"
)
"""Words that name an accelerator within the name of a device."""
_NO_ACCELERATOR: Final = re.compile(r"rdma\w*|roce\w*|hostdev|sriov\w*|fuse|kvm|hugepages")
_VENDORS: Final = frozenset({"nvidia.com", "habana.ai", "furiosa.ai", "rebellions.ai", "tenstorrent.com"})
"""Domains in which any device is an accelerator."""
_SHARE: Final = re.compile(r"\w*(mem|memory|cores?|millicores|percent|percentage)")
"""Words for a part of an accelerator, such as its memory: an amount, and no number of devices."""


def is_accelerator(resource: str) -> bool:
    """Whether work that asks Ray for this resource needs an accelerator."""
    return resource in RAY_NAMES or resource.startswith(_OF_ACCELERATORS)


def is_gpu(resource: str) -> bool:
    """Whether a container's resource of this name is a GPU or a slice of one."""
    return _GPU.fullmatch(resource) is not None


def whole_accelerators(resources: Iterable[tuple[str, float]]) -> int:
    """How many a Ray node has; a part of one counts as one."""
    return sum(math.ceil(round(amount, 4)) for name, amount in resources if name in RAY_NAMES)


def accelerators_of_pod(spec: Mapping[str, Any]) -> int:
    """How many accelerators a pod takes in Kubernetes, in all of its containers.

    Whatever Ray is told of them. As the scheduler counts: containers side by side, and with them the init
    containers that go on; of other init containers the largest. A mere part of a device counts as one.
    """
    beside = spec.get("containers")
    total = sum([_of_container(one) for one in beside]) if isinstance(beside, list | tuple) else 0
    before = spec.get("initContainers")
    kept, once = 0, 0
    for container in before if isinstance(before, list | tuple) else ():
        if gpus := _of_container(container):
            if container.get("restartPolicy") == "Always":
                kept += gpus
                once = max(once, kept)
            else:
                once = max(once, kept + gpus)
    return max(once, kept + total)


def _of_container(container: object) -> int:
    resources = container.get("resources") if isinstance(container, dict) else None
    if not isinstance(resources, dict):
        return 0
    devices: dict[str, object] = {}
    for place in ("requests", "limits"):
        amounts = resources.get(place)
        if isinstance(amounts, dict):
            # Devices have a domain; the others are most.
            devices |= {name: amounts[name] for name in amounts if isinstance(name, str) and "/" in name}
    return _whole_or_part(devices) if devices else 0


def _whole_or_part(devices: Mapping[str, object]) -> int:
    whole = part = 0
    for name, value in devices.items():
        kind = _kind(name)
        if kind is not _Kind.NONE and (count := _whole(value)):
            whole, part = (whole, 1) if kind is _Kind.PART else (whole + count, part)
    return whole or part


class _Kind(Enum):
    """What one device of a name is."""

    NONE = auto()
    WHOLE = auto()
    PART = auto()


@lru_cache(maxsize=256)
def _kind(name: str) -> _Kind:
    words = re.findall(r"[a-z0-9]+", name.lower())
    known = name.split("/", maxsplit=1)[0] in _VENDORS or any(_WORDS.fullmatch(word) for word in words)
    if not known or any(_NO_ACCELERATOR.fullmatch(word) for word in words):
        return _Kind.NONE
    is_part = any(_SHARE.fullmatch(word) and not word.startswith("neuron") for word in words)
    return _Kind.PART if is_part else _Kind.WHOLE


def _whole(value: object) -> int:
    if not isinstance(value, str | int | float):
        return 0
    try:
        amount = parse_quantity(value)
    except ValueError:
        return 0
    return math.ceil(min(amount, _MOST)) if amount > 0 else 0


_MOST: Final = Decimal(10**9)
