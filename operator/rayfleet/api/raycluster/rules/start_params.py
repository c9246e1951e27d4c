"""Rules about `rayStartParams`: values that could never start a Ray node, or would start a different one.

A value may be a shell expression (`$NUM_CPUS`). If only the container can know its value, it passes unless
something else depends on it.
"""

import re
from typing import Any, Final

from msgspec.structs import replace

from rayfleet.api.quantity import MOST_AMOUNT
from rayfleet.api.raycluster.rules.subject import HEAD_PATH, Findings, Group, Subject
from rayfleet.api.raycluster.scaler import scales_here
from rayfleet.api.raycluster.start_params import (
    AMOUNTS,
    FALSE,
    PORTS,
    READ,
    RESOURCES,
    TRUE,
    json_object,
    known_param,
    ray_environment_of,
    shell_value,
    whole_number,
)
from rayfleet.api.shell_word import LONGEST, Environment, word, words
from rayfleet.api.violation import Violation

_HIGHEST_PORT: Final = 65535
_FOLLOWED: Final = frozenset({"port", "dashboard-agent-listen-port"})
"""Ports that others must find: 0, any free port, would hide them."""
_COUNTED: Final = frozenset({"num-cpus", "num-gpus", "memory", RESOURCES})
_FLAG: Final = re.compile(r"[A-Za-z0-9][-_A-Za-z0-9]*")
_FLAGS: Final = frozenset(f"--{name}" for name in {*READ, "labels", "head", "block"})
"""Flags that plans depend on, or that say what a node is."""
_FURTHER_FLAG: Final = re.compile(rf"\s(?:{'|'.join(sorted(_FLAGS))})(?:[=\s]|$)")
_OWN_FLAGS: Final = {"CPU": "num-cpus", "GPU": "num-gpus", "memory": "memory"}
_STORE: Final = "object_store_memory"


def names_are_flags(subject: Subject) -> Findings:
    """Each parameter is one flag: only Ray would see further ones in its name or value."""
    for group in subject.groups:
        env = ray_environment_of(group.spec)
        for name, value in group.spec.ray_start_params.items():
            if not _FLAG.fullmatch(name):
                yield _violation(
                    group, name[:70], "must be the name of one flag of `ray start`, without leading dashes."
                )
            elif name == "head" and group.path != HEAD_PATH and value.strip(" '\"").lower() != "false":
                yield _violation(group, name, "must not be set: it would make each worker a head; remove it.")
            elif _FURTHER_FLAG.search(value) or (name not in READ and _has_further_flags(value, env)):
                yield _violation(group, name, "must not hold further flags: write each as its own parameter.")
            elif name not in READ and (reason := _more_than_words(value, env)):
                yield _violation(
                    group, name, f"must be one shell word, but {reason}: put single quotes around it."
                )


def _has_further_flags(value: str, env: Environment) -> bool:
    """Whether the value holds further flags, as far as is known without the container's variables."""
    try:
        if word(value, env) is not None:
            return False
    except ValueError:
        pass
    try:
        further = words(value, env)[1:]
    except ValueError:
        return False
    names = [flag.partition("=")[0] for flag in further if flag.startswith("-")]
    return any(name in _FLAGS or "{" in name or "$" in name for name in names)


def _more_than_words(value: str, env: Environment) -> str | None:
    """What is wrong with a value that is more than words, and so may hide other flags or run something.

    Several words without flags that are read here have always started Ray, and still do.
    """
    if len(value) > LONGEST:
        return None
    try:
        word(value, env)
    except ValueError:
        try:
            words(value, env)
        except ValueError as reason:
            return str(reason)
    return None


def values_are_words(subject: Subject) -> Findings:
    """A value that bash splits into several words starts no Ray node, or a different one."""
    for group in subject.groups:
        params, env = group.spec.ray_start_params, ray_environment_of(group.spec)
        for name in sorted(READ & params.keys()):
            try:
                word(shell_value(name, params[name]), env)
            except ValueError as reason:
                yield _violation(
                    group, name, f"must be one shell word, but {reason}: put single quotes around it."
                )


def amounts_are_whole_numbers(subject: Subject) -> Findings:
    """`ray start` accepts only digits: no fraction of a CPU, and no unit."""
    for group in subject.groups:
        for name in AMOUNTS:
            value = _known(group, name)
            if value is None:
                continue
            amount = whole_number(value)
            if amount is None or amount < 0:
                yield _violation(
                    group,
                    name,
                    f"must be a whole number of at least 0, but is {value[:60]!r}: write it in digits,"
                    " or use the group's `resources` field, which accepts units.",
                )


def resources_are_named_amounts(subject: Subject) -> Findings:
    """`--resources` is a JSON object of whole numbers, without resources that have a flag of their own."""
    for group in subject.groups:
        value = _known(group, RESOURCES)
        if value is None:
            continue
        amounts = json_object(value)
        if amounts is None:
            yield _violation(
                group, RESOURCES, 'must be a JSON object such as {"NPU": 1}: write it so, or use `resources`.'
            )
        for name, amount in (amounts or {}).items():
            if name in _OWN_FLAGS or name == _STORE:
                flag = _OWN_FLAGS.get(name, "object-store-memory")
                yield _violation(group, RESOURCES, f"must not have {name}: use the parameter {flag} instead.")
            elif not _is_whole(amount):
                yield _violation(
                    group,
                    RESOURCES,
                    f"must have whole numbers from 0 to 10^18, but {name[:60]!r} is not one: write what one"
                    " node has.",
                )


def amounts_are_known_where_they_are_counted(subject: Subject) -> Findings:
    """A cluster that scales with its queue must know what a node would have before there is one."""
    if not scales_here(subject.spec):
        return
    for group in subject.groups[1:]:
        for name in sorted(_COUNTED & group.spec.ray_start_params.keys()):
            if _is_unknown(group, name):
                yield _violation(
                    group,
                    name,
                    "must be known before a pod runs, as the cluster scales with its queue: write the value,"
                    " set the variable by `value` in the Ray container's env, or use the group's `resources`"
                    " field.",
                )


def ports_are_ports(subject: Subject) -> Findings:
    """Workers, probes and the head Service use these ports; for some of them a default will do."""
    for group in subject.groups:
        for name in PORTS:
            if name not in group.spec.ray_start_params or (name == "port" and group.path != HEAD_PATH):
                continue
            value = _known(group, name)
            number = whole_number(value) if value is not None else None
            lowest = 1 if name in _FOLLOWED else 0
            if number is not None and lowest <= number <= _HIGHEST_PORT:
                continue
            if value is not None:
                message = f"must be a port from {lowest} to {_HIGHEST_PORT}, but is {value[:60]!r}."
                yield _violation(group, name, message)
            elif name in _FOLLOWED and _is_unknown(group, name):
                yield _violation(
                    group,
                    name,
                    "must be known before a pod runs, as others find Ray by it: write the number, or set the"
                    " variable by `value` in the Ray container's env.",
                )


def dashboard_is_on_or_off(subject: Subject) -> Findings:
    """If the head has a dashboard, its health is checked there."""
    value = _known(subject.head, "include-dashboard")
    if value is not None and value.lower() not in TRUE | FALSE:
        yield _violation(subject.head, "include-dashboard", f"must be true or false, but is {value[:60]!r}.")


def _known(group: Group, name: str) -> str | None:
    params = group.spec.ray_start_params
    return known_param(name, params[name], ray_environment_of(group.spec)) if name in params else None


def _is_unknown(group: Group, name: str) -> bool:
    """Whether the value is one word that only the container knows."""
    value = group.spec.ray_start_params[name]
    try:
        return word(shell_value(name, value), ray_environment_of(group.spec)) is None
    except ValueError:
        return False


def _is_whole(amount: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return False
    return 0 <= amount <= MOST_AMOUNT and (isinstance(amount, int) or amount.is_integer())


def _violation(group: Group, name: str, message: str) -> Violation:
    violation = group.fault(f"rayStartParams[{name}]", message)
    # Everything depends on the head's ports, so nothing can be done while they are unknown.
    return replace(violation, group=None) if group.path == HEAD_PATH and name in _FOLLOWED else violation
