"""What a Ray node offers: `ray start` flags from the group's `resources` and the container's limits."""

import json
import math
import shlex
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from rayfleet.api.accelerators import OF_OWN_NAME, is_gpu
from rayfleet.api.quantity import bounded_quantity
from rayfleet.api.raycluster import HeadGroupSpec, WorkerGroupSpec
from rayfleet.api.raycluster.start_params import json_object, known_param, known_params, whole_number
from rayfleet.api.shell_word import Environment, environment_of
from rayfleet.kinds.raycluster.manifests.pod_template import items, mapping

CPUS: Final = "num-cpus"
GPUS: Final = "num-gpus"
MEMORY: Final = "memory"
CUSTOM: Final = "resources"
_PLAIN: Final = frozenset({"cpu", "memory", "ephemeral-storage"})


def may_have_accelerators(group: HeadGroupSpec | WorkerGroupSpec) -> bool:
    """Whether a node declares more than CPUs and memory; in most clusters no node does."""
    if group.resources or GPUS in group.ray_start_params or CUSTOM in group.ray_start_params:
        return True
    pod = mapping(group.template.get("spec"))
    containers = (*items(pod.get("containers")), *items(pod.get("initContainers")))
    of_each = (amounts for one in (pod, *map(mapping, containers)) for amounts in _limits_and_requests(one))
    return any(not _PLAIN.issuperset(amounts) for amounts in of_each)


def flags_from_group(resources: Mapping[str, str]) -> dict[str, str]:
    """The flags for a group's `resources`. Quantities that cannot be parsed are left out."""
    flags: dict[str, str] = {}
    custom: dict[str, int | float] = {}
    for name, value in sorted(resources.items()):
        amount = _amount(value)
        if amount is None:
            continue
        flag = _standard_flag(name.lower())
        if flag:
            flags[flag] = _whole(amount)
        else:
            custom[name] = _number(amount)
    if custom:
        flags[CUSTOM] = _shell_json(custom)
    return flags


def flags_from_container(
    container: Mapping[str, Any], given: Mapping[str, str], pod: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """The flags that follow from a container's resources, beyond those that are `given`.

    If the container has none, the pod-level resources of its `pod` apply.
    """
    limits, requests = _limits_and_requests(container)
    pod_limits, pod_requests = _limits_and_requests(pod or {})
    flags: dict[str, str] = {}
    cpus = _positive(limits.get("cpu")) or _positive(requests.get("cpu"))
    cpus = cpus or _positive(pod_limits.get("cpu")) or _positive(pod_requests.get("cpu"))
    memory = _positive(limits.get("memory")) or _positive(pod_limits.get("memory"))
    gpus = _first_positive(limits, [name for name in sorted(limits) if is_gpu(name)])
    for flag, amount in ((CPUS, cpus), (MEMORY, memory), (GPUS, gpus)):
        if amount and flag not in given:
            flags[flag] = _whole(amount)
    custom = _with_accelerator(limits, given.get(CUSTOM), environment_of(container))
    if custom:
        flags[CUSTOM] = custom
    return flags


def requested_resources(
    container: Mapping[str, Any], pod: Mapping[str, Any], given: Mapping[str, str]
) -> tuple[tuple[str, float], ...]:
    """What a node is sure to have beyond its flags: the requests of its container, or of its pod.

    They are not passed to Ray, which detects what the machine has; that may be more.
    """
    requests = {**_limits_and_requests(pod)[1], **_limits_and_requests(container)[1]}
    gpus = _first_positive(requests, [name for name in sorted(requests) if is_gpu(name)])
    amounts = {"memory": _positive(requests.get("memory")) if MEMORY not in given else None}
    amounts["GPU"] = gpus if GPUS not in given else None
    custom = json_object(known_param(CUSTOM, given.get(CUSTOM, ""), environment_of(container)) or "")
    if custom is not None or CUSTOM not in given:
        for name, counted in OF_OWN_NAME.items():
            amounts[counted] = None if counted in (custom or {}) else _positive(requests.get(name))
    return tuple(sorted((name, float(amount)) for name, amount in amounts.items() if amount))


def resources_of_flags(params: Mapping[str, str], env: Environment) -> tuple[tuple[str, float], ...]:
    """The logical resources of a Ray node with these `ray start` flags, sorted by name.

    `env` holds the variables that the flags may refer to. Resources that Ray detects on the node are not
    included. A flag whose value is unknown, or with which Ray would not start, counts as unset.
    """
    amounts: dict[str, float] = {}
    known = known_params(params, env)
    for flag, name in ((CPUS, "CPU"), (GPUS, "GPU"), (MEMORY, "memory")):
        number = whole_number(known.get(flag, ""))
        if number is not None and number > 0:
            amounts[name] = float(number)
    for name, value in (json_object(known.get(CUSTOM, "")) or {}).items():
        amount = _positive(value)
        if amount is not None:
            amounts[name] = float(amount)
    return tuple(sorted(amounts.items()))


def _limits_and_requests(owner: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    resources = mapping(owner.get("resources"))
    return mapping(resources.get("limits")), mapping(resources.get("requests"))


def _standard_flag(name: str) -> str | None:
    return {"cpu": CPUS, "gpu": GPUS, "memory": MEMORY}.get(name)


def _with_accelerator(limits: Mapping[str, Any], given: str | None, env: Environment) -> str | None:
    """`--resources` with the container's accelerator added, or None if there is nothing to add."""
    name = next((name for name in sorted(limits) if name in OF_OWN_NAME and _positive(limits[name])), None)
    if name is None:
        return None
    custom = json_object(known_param(CUSTOM, given, env) or "") if given is not None else {}
    # An unreadable value cannot be added to, and an accelerator that the user counts is not counted again.
    if custom is None or any(counted in custom for counted in OF_OWN_NAME.values()):
        return None
    return _shell_json({**custom, OF_OWN_NAME[name]: _number(_positive(limits[name]) or Decimal(0))})


def _shell_json(value: Mapping[str, Any]) -> str:
    return shlex.quote(json.dumps(value, sort_keys=True, separators=(",", ":")))


def _amount(value: object) -> Decimal | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        return bounded_quantity(value)
    except ValueError:
        return None


def _positive(value: object) -> Decimal | None:
    amount = _amount(value)
    return amount if amount is not None and amount > 0 else None


def _first_positive(limits: Mapping[str, Any], names: list[str]) -> Decimal | None:
    return next((amount for name in names if (amount := _positive(limits[name]))), None)


def _whole(amount: Decimal) -> str:
    # Rounded up, as Kubernetes rounds: a pod with 1500m runs two tasks of one CPU.
    return str(math.ceil(amount))


def _number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)
