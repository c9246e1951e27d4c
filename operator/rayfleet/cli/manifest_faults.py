"""What the API server would refuse in a manifest or drop from it, before the operator sees it."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, NamedTuple

from rayfleet.api.base import ApiModel
from rayfleet.api.parsing import field_path
from rayfleet.api.quantity import parse_quantity
from rayfleet.api.violation import Violation

_CONTAINERS: Final = ("initContainers", "containers")


class Unknown(NamedTuple):
    """A field that the API does not have."""

    location: tuple[int | str, ...]
    """Starts at `spec`."""

    def __str__(self) -> str:
        return f"{field_path(self.location)} is unknown and has no effect: check its spelling, or remove it."


def unknown_fields(spec: ApiModel, given: Mapping[str, Any]) -> tuple[Unknown, ...]:
    """Fields of `given`, from which `spec` was read, that the API lacks. Pod templates are not checked."""
    return tuple(Unknown(location) for location in _unknown(spec, given, ()))


def without(given: Mapping[str, Any], unknown: Sequence[Unknown]) -> dict[str, Any]:
    """A copy of `given` as the API server stores it."""
    kept = deepcopy(dict(given))
    for location in (field.location for field in unknown):
        holder: Any = kept
        for part in location[:-1]:
            holder = holder[part]
        del holder[location[-1]]
    return kept


def amount_faults(given: Mapping[str, Any]) -> Iterator[Violation]:
    """Resource amounts of containers that Kubernetes would refuse."""
    templates = [("spec.headGroupSpec.template", _at(given, "headGroupSpec", "template"))]
    groups = given.get("workerGroupSpecs")
    for index, group in enumerate(groups if isinstance(groups, list) else ()):
        templates.append((f"spec.workerGroupSpecs[{index}].template", _at(group, "template")))
    for path, template in templates:
        for kind in _CONTAINERS:
            containers = _at(template, "spec", kind)
            for index, container in enumerate(containers if isinstance(containers, list) else ()):
                yield from _container_faults(f"{path}.spec.{kind}[{index}].resources", container)


def _container_faults(path: str, container: object) -> Iterator[Violation]:
    for kind in ("requests", "limits"):
        amounts = _at(container, "resources", kind)
        for name, amount in amounts.items() if isinstance(amounts, Mapping) else ():
            if message := _amount_fault(str(name), amount):
                yield Violation(f"{path}.{kind}[{name}]", message)


def _amount_fault(name: str, amount: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    try:
        number = parse_quantity(amount)
    except ValueError as error:
        return str(error)
    if number < 0:
        return f"must not be negative, but is {amount}."
    if "/" in name and number != number.to_integral_value():
        return f"must be a whole number, but is {amount}: Kubernetes does not divide devices."
    return ""


def _unknown(
    model: ApiModel, given: Mapping[str, Any], location: tuple[int | str, ...]
) -> Iterator[tuple[int | str, ...]]:
    fields = {field.alias or name: name for name, field in type(model).model_fields.items()}
    for key, value in given.items():
        if key not in fields:
            yield (*location, key)
            continue
        read = getattr(model, fields[key])
        if isinstance(read, ApiModel) and isinstance(value, Mapping):
            yield from _unknown(read, value, (*location, key))
        elif isinstance(read, tuple) and isinstance(value, list):
            for index, (item, raw) in enumerate(zip(read, value, strict=False)):
                if isinstance(item, ApiModel) and isinstance(raw, Mapping):
                    yield from _unknown(item, raw, (*location, key, index))


def _at(value: object, *path: str) -> object:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
