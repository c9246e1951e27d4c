"""What Ray detects on the hosts of a TPU slice, as far as the manifest shows it."""

import math
import re
from typing import Final, NamedTuple

from rayfleet.api.raycluster import WorkerGroupSpec
from rayfleet.kinds.raycluster.manifests.pod_template import mapping, text
from rayfleet.ray.state import Resources

_ACCELERATOR: Final = "cloud.google.com/gke-tpu-accelerator"
_TOPOLOGY: Final = "cloud.google.com/gke-tpu-topology"
_GENERATIONS: Final = {
    "tpu-v4-podslice": "v4",
    "tpu-v5-lite-device": "v5litepod",
    "tpu-v5-lite-podslice": "v5litepod",
    "tpu-v5p-slice": "v5p",
    "tpu-v6e-slice": "v6e",
    "tpu7x": "v7x",
}
"""Ray's names for the values of GKE's label."""
_ONE_CORE: Final = frozenset({"v5litepod", "v6e"})
"""Generations whose chips have one core; others have two."""
_CHIPS: Final = re.compile(r"[0-9]{1,4}(x[0-9]{1,4}){1,3}", re.ASCII)
HEAD_OF_SLICE: Final = (("ray.io/tpu-worker-id", "0"),)
"""Labels of the host that has the slice head's resource."""
_HEAD: Final = re.compile(r"TPU-.+-head")


class Slice(NamedTuple):
    """A group whose replicas are slices: labels of all hosts, and extra resources of the first one."""

    labels: tuple[tuple[str, str], ...] = ()
    first_host: Resources = ()


def is_of_one_host(resource: str) -> bool:
    """Whether Ray gives this resource to only one host of a slice."""
    return _HEAD.fullmatch(resource) is not None


def slice_of(group: WorkerGroupSpec, resources: Resources) -> Slice:
    """What a slice's hosts have according to their node selector; `resources` are those of one host."""
    selector = mapping(mapping(group.template.get("spec")).get("nodeSelector"))
    generation = _GENERATIONS.get(text(selector.get(_ACCELERATOR)))
    topology = text(selector.get(_TOPOLOGY)).strip().lower()
    if generation is None or not _CHIPS.fullmatch(topology) or all(name != "TPU" for name, _ in resources):
        return Slice()
    chips = math.prod(map(int, topology.split("x")))
    pod_type = f"{generation}-{chips * (1 if generation in _ONE_CORE else 2)}"
    return Slice(
        labels=(
            ("ray.io/accelerator-type", f"TPU-{generation.upper()}"),
            ("ray.io/tpu-pod-type", pod_type),
            ("ray.io/tpu-topology", topology),
        ),
        first_host=((f"TPU-{pod_type}-head", 1.0),),
    )
