"""Rules about the head group and the worker groups."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rayfleet.api.base import MOST_NAMES
from rayfleet.api.names import HEAD_GROUP, is_object_name
from rayfleet.api.quantity import MOST_AMOUNT, parse_quantity
from rayfleet.api.raycluster.rules.subject import Findings, Group, Subject, containers
from rayfleet.api.raycluster.start_params import RESOURCES, json_object, known_param, ray_environment_of
from rayfleet.api.violation import Violation

_LABEL_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_MOST_HOSTS: Final = 10_000
MOST_NAMES_OF_ALL: Final = 256
"""Names of resources in all groups of a cluster together."""
_RESOURCE_PARAMS: Final = ("num-cpus", "num-gpus", "memory", "resources")
_ROUNDED: Final = frozenset({"cpu", "gpu", "memory"})
_STORE: Final = frozenset({"object_store_memory", "object-store-memory"})
_LABEL_WORDS: Final = (
    "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
)


def is_label_value(text: str) -> bool:
    """Whether Kubernetes accepts `text` as the value of a label."""
    return text == "" or _LABEL_NAME.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Whether Kubernetes accepts `text` as the key of a label."""
    prefix, slash, name = text.rpartition("/")
    if slash and not is_object_name(prefix):
        return False
    return _LABEL_NAME.fullmatch(name) is not None


def template_has_a_container(subject: Subject) -> Findings:
    """The first container runs Ray."""
    for group in subject.groups:
        if not containers(group.spec.template):
            yield group.fault(
                "template.spec.containers",
                "must have at least one container: the first one runs Ray.",
            )


def resources_are_set_in_one_place(subject: Subject) -> Findings:
    """With two sources it would be unclear which one counts."""
    for group in subject.groups:
        params = [name for name in _RESOURCE_PARAMS if name in group.spec.ray_start_params]
        if group.spec.resources and params:
            yield group.fault(
                "resources",
                f"should not be set in both places: move rayStartParams {', '.join(params)} into resources.",
            )


def resources_are_amounts(subject: Subject) -> Findings:
    """`ray start` accepts only numbers, and only whole ones for a resource without a flag of its own."""
    for group in subject.groups:
        for name, given in group.spec.resources.items():
            if fault := _fault_of_amount(name, given):
                yield group.fault(f"resources[{name}]", fault)


def _fault_of_amount(name: str, given: str) -> str:
    if name.lower() in _STORE:
        return "is not a resource of a node: use rayStartParams object-store-memory instead."
    try:
        amount = parse_quantity(given)
    except ValueError as wrong:
        return str(wrong)
    if amount < 0:
        return f"must not be negative, but is {given[:60]}."
    if amount > MOST_AMOUNT:
        return f"must be at most 10^18, but is {given[:60]}: write what one node has."
    if name.lower() not in _ROUNDED and amount != amount.to_integral_value():
        return f"must be a whole number, but is {given[:60]}: Ray starts no node with a fraction of one."
    return ""


def resource_names_are_few(subject: Subject) -> Findings:
    """Every pass compares each group with each name that any group has."""
    all_names: set[str] = set()
    for group in subject.groups:
        names = {*group.spec.resources, *_named_in_params(group), *_devices(group.spec.template)}
        if len(names) > MOST_NAMES:
            yield group.fault(
                "resources",
                f"must name at most {MOST_NAMES} resources, with rayStartParams.resources and the template's"
                f" devices, but there are {len(names)}: remove some of them.",
            )
        elif len(all_names | names) > MOST_NAMES_OF_ALL:
            yield group.fault(
                "resources",
                f"must leave at most {MOST_NAMES_OF_ALL} names of resources in all groups together, with"
                " rayStartParams.resources and the templates' devices: use the same names in several groups,"
                " or another cluster.",
            )
        else:
            all_names |= names


def _named_in_params(group: Group) -> Iterable[str]:
    value = group.spec.ray_start_params.get(RESOURCES, "")
    known = known_param(RESOURCES, value, ray_environment_of(group.spec)) if value else None
    return json_object(known or "") or ()


def _devices(template: Mapping[str, Any]) -> Iterator[str]:
    for container in containers(template):
        resources = container.get("resources") if isinstance(container, Mapping) else None
        for place in ("limits", "requests"):
            amounts = resources.get(place) if isinstance(resources, Mapping) else None
            yield from (name for name in amounts if "/" in name) if isinstance(amounts, Mapping) else ()


def labels_have_their_own_field(subject: Subject) -> Findings:
    """Labels in the start parameters would bypass the pod's labels."""
    for group in subject.groups:
        if "labels" in group.spec.ray_start_params:
            yield group.fault(
                "rayStartParams[labels]",
                "is not supported: use the group's `labels` field instead.",
            )


def labels_are_valid(subject: Subject) -> Findings:
    """Labels of a group become labels of its pods."""
    for group in subject.groups:
        for key, value in group.spec.labels.items():
            if not is_label_key(key):
                yield group.fault(
                    f"labels[{key}]",
                    f"must have a valid label key: {_LABEL_WORDS}, after an optional DNS prefix and '/'.",
                )
            if not is_label_value(value):
                yield group.fault(f"labels[{key}]", f"must have a valid label value: {_LABEL_WORDS}.")


def group_name_is_a_label_value(subject: Subject) -> Findings:
    """A pod's label holds the name of its group."""
    for path, group in subject.workers:
        if not group.group_name or not is_label_value(group.group_name):
            yield Violation(
                f"{path}.groupName", f"must be a valid label value that is not empty: {_LABEL_WORDS}."
            )
        elif group.group_name == HEAD_GROUP:
            yield Violation(f"{path}.groupName", f"'{HEAD_GROUP}' is the head's name: choose another one.")


def group_names_are_unique(subject: Subject) -> Findings:
    """Two groups of one name would claim each other's pods."""
    counted = Counter(group.group_name for group in subject.spec.worker_group_specs)
    seen: set[str] = set()
    for path, group in subject.workers:
        if counted[group.group_name] > 1 and group.group_name in seen:
            yield Violation(
                f"{path}.groupName", f"'{group.group_name}' is taken by another group: rename one of them."
            )
        seen.add(group.group_name)


def scale_gates_have_names_of_their_own(subject: Subject) -> Findings:
    """Each gate has one owner, who removes it by name."""
    for path, group in subject.workers:
        seen: set[str] = set()
        for index, gate in enumerate(group.scale_strategy.scale_gate):
            at = f"{path}.scaleStrategy.scaleGate[{index}].name"
            if not is_label_key(gate.name):
                yield Violation(at, f"must be a name: {_LABEL_WORDS}, after an optional DNS prefix and '/'.")
            elif gate.name in seen:
                yield Violation(at, f"'{gate.name}' is there twice: remove one of them.")
            seen.add(gate.name)


def bounds_are_not_negative(subject: Subject) -> Findings:
    """A group cannot have a negative size."""
    for path, group in subject.workers:
        for field, value in (("minReplicas", group.min_replicas), ("maxReplicas", group.max_replicas)):
            if value < 0:
                yield Violation(f"{path}.{field}", f"must not be negative, but is {value}: set 0 or more.")


def bounds_are_in_order(subject: Subject) -> Findings:
    """No size is between a minimum and a smaller maximum."""
    for path, group in subject.workers:
        if group.min_replicas > group.max_replicas:
            yield Violation(
                f"{path}.minReplicas",
                f"must not be larger than maxReplicas, but {group.min_replicas} > {group.max_replicas}:"
                " lower it, or raise maxReplicas.",
            )


def replica_has_a_host(subject: Subject) -> Findings:
    """A replica has at least one pod, and no more than can be planned at once."""
    for path, group in subject.workers:
        if group.num_of_hosts < 1:
            yield Violation(f"{path}.numOfHosts", f"must be at least 1, but is {group.num_of_hosts}.")
        elif group.num_of_hosts > _MOST_HOSTS:
            yield Violation(
                f"{path}.numOfHosts",
                f"must be at most {_MOST_HOSTS}, but is {group.num_of_hosts}: use more replicas.",
            )


def backoff_bounds_are_in_order(subject: Subject) -> Findings:
    """The first wait must be the shortest."""
    for path, group in subject.workers:
        policy = group.failure_policy
        if policy.initial_backoff_seconds > policy.max_backoff_seconds:
            yield Violation(
                f"{path}.failurePolicy.initialBackoffSeconds",
                f"must not be larger than maxBackoffSeconds, but {policy.initial_backoff_seconds} >"
                f" {policy.max_backoff_seconds}: lower it, or raise maxBackoffSeconds.",
            )


def fallback_leads_to_another_group(subject: Subject) -> Findings:
    """Work can only move to another existing group."""
    for path, group in subject.workers:
        for index, name in enumerate(group.fallback.groups if group.fallback else ()):
            where = f"{path}.fallback.groups[{index}]"
            if name == group.group_name:
                yield Violation(where, f"must not be the group itself ('{name}'): name another group.")
            elif name not in subject.group_names:
                yield Violation(where, f"must name a worker group of this cluster, but there is no '{name}'.")
