"""Accelerators: what Ray calls them, what Kubernetes calls them, and how many a pod requests."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from rayfleet.api.quantity import MOST_AMOUNT, parse_quantity

RAY_NAMES: Final = frozenset({"GPU", "TPU", "neuron_cores", "HPU", "NPU", "TTNPU", "RBLN", "FURIOSA", "MBLT"})
"""The resources in which Ray counts accelerators."""
TPU: Final = "google.com/tpu"
OF_OWN_NAME: Final = {"aws.amazon.com/neuroncore": "neuron_cores", TPU: "TPU"}
"""Resources of containers that are declared to Ray under another name."""
_GPU: Final = re.compile(r".*gpu|nvidia\.com/mig-.+")
"""Resources of containers that are declared to Ray as GPUs."""
_OF_ACCELERATORS: Final = ("accelerator_type:", "TPU-")
"""Prefixes of the names of resources that Ray adds on nodes with an accelerator."""
_WORDS: Final = re.compile(
    r"\w*gpu\w*|[a-z]*npus?\d*|v?(?:tpu|hpu|ipu|vpu|xpu|ppu|gcu|rdu|lpu)s?\d*|v?dcu(?:num)?\d*|v?mlu\w*"
    r"|neuron[a-z]*|gaudi\d*|ascend\w*|fpga\w*|xilinx\w*|alveo\w*|rbln\w*|atom|furiosa|rngd|warboy|mblt|mig"
    r"|vcuda|xdna|qaic\d*|hailo\w*|wse\d*|tenstorrent"
    r"|g?[bh][123]00\w*|gh200\w*|a100\w*|[ah]800\w*|v100\w*|l40s?|mi[1-4]\d\d[a-z]?"
)
"""Words that name an accelerator within the name of a device, including models."""
_NO_ACCELERATOR: Final = re.compile(r"rdma\w*|roce\w*|hostdev|sriov\w*|fuse|kvm|hugepages|monitoring")
"""Words for other devices in a domain of accelerators."""
_VENDORS: Final = frozenset(
    {
        "cerebras.com",
        "d-matrix.ai",
        "enflame.com",
        "furiosa.ai",
        "graphcore.ai",
        "groq.com",
        "habana.ai",
        "hailo.ai",
        "nvidia.com",
        "rebellions.ai",
        "sambanova.ai",
        "tenstorrent.com",
        "vastaitech.com",
    }
)
"""Domains in which any device is an accelerator."""
_HUNDREDTHS: Final = re.compile(r"\w*(?:core|cores|percent|percentage|ratio)")
_THOUSANDTHS: Final = re.compile(r"\w*millicores?")
_SHARE: Final = re.compile(r"\w*(?:mem|memory|tiles?)")
"""Words for a part of an accelerator whose amount does not tell the number of devices."""
_IN_HUNDREDTHS: Final = frozenset({"koordinator.sh/gpu"})
"""Resources counted in hundredths whose names do not say so."""


def is_accelerator(resource: str) -> bool:
    """Whether work that asks Ray for this resource needs an accelerator."""
    return resource in RAY_NAMES or resource.startswith(_OF_ACCELERATORS)


def is_gpu(resource: str) -> bool:
    """Whether a container's resource of this name is a GPU or a slice of one."""
    return _GPU.fullmatch(resource) is not None


def whole_accelerators(resources: Iterable[tuple[str, float]]) -> int:
    """How many accelerators a Ray node has; a fraction counts as one."""
    return sum(
        math.ceil(round(min(max(0.0, amount), float(MOST_AMOUNT)), 4))
        for name, amount in resources
        if name in RAY_NAMES
    )


def accelerators_of_pod(spec: Mapping[str, Any]) -> int:
    """How many accelerators a pod requests in Kubernetes, in all containers, whatever is declared to Ray.

    They are counted as by the scheduler: containers side by side, together with init containers that keep
    running; of other init containers the largest. A mere part of a device counts as one.
    """
    beside = spec.get("containers")
    total = sum([_of_container(each) for each in beside]) if isinstance(beside, list | tuple) else 0
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


def accelerators_among(resources: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    """The resources of a node that are accelerators or parts of one, each with its amount."""
    for name, amount in resources.items():
        if "/" in name and _unit(name) is not None:
            yield name, _whole(amount)


def _of_container(container: object) -> int:
    resources = container.get("resources") if isinstance(container, dict) else None
    if not isinstance(resources, dict):
        return 0
    devices: dict[str, object] = {}
    for place in ("requests", "limits"):
        amounts = resources.get(place)
        if isinstance(amounts, dict):
            for name in amounts:
                if "/" in name:  # Devices have a domain; most resources have none.
                    devices[name] = amounts[name]
    return _whole_or_part(devices) if devices else 0


def _whole_or_part(devices: Mapping[str, object]) -> int:
    """The number of whole devices, or of those that the parts add up to: both describe the same devices."""
    whole = part = 0
    for name, value in devices.items():
        unit = _unit(name)
        if unit is None or not (count := _whole(value)):
            continue
        if unit == 1:
            whole += count
        else:
            part = max(part, -(-count // unit) if unit else 1)
    return max(whole, part)


@lru_cache(maxsize=256)
def _unit(name: str) -> int | None:
    """How much of the resource is one accelerator: 0 if its amount does not tell, None if it is not one."""
    domain, _, device = name.lower().partition("/")
    words = re.findall(r"[a-z0-9]+", device)
    if not _named(words):
        known = domain in _VENDORS or _named(re.findall(r"[a-z0-9]+", domain))
        if not known or any(_NO_ACCELERATOR.fullmatch(word) for word in words):
            return None
    words = [word for word in words if not word.startswith("neuron")]
    if any(_SHARE.fullmatch(word) for word in words):
        return 100 if "ratio" in words else 0
    if any(_THOUSANDTHS.fullmatch(word) for word in words):
        return 1000
    in_hundredths = any(_HUNDREDTHS.fullmatch(word) for word in words) or name in _IN_HUNDREDTHS
    return 100 if in_hundredths else 1


def _named(words: Iterable[str]) -> bool:
    return any(_WORDS.fullmatch(word) for word in words)


def _whole(value: object) -> int:
    if isinstance(value, str) and len(value) <= _MOST_DIGITS and value.isdecimal() and value.isascii():
        return int(value)  # Nearly all amounts are written like this.
    if not isinstance(value, str | int | float):
        return 0
    try:
        amount = parse_quantity(value)
    except ValueError:
        return 0
    return math.ceil(min(amount, _MOST)) if amount > 0 else 0


_MOST_DIGITS: Final = 9
_MOST: Final = Decimal(10**_MOST_DIGITS)
