"""The start parameters that not only Ray uses, read as `ray start` gets them.

The command in a pod runs in bash, so a value is a shell word: `"4"` with quotes is 4, `$CPUS` is what the
container says, and JSON without quotes is torn apart. A plan must read such a value in the same way, or not
at all.
"""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, Final

from rayfleet.api.raycluster.groups import HeadGroupSpec, WorkerGroupSpec
from rayfleet.api.shell_word import LONGEST, Environment, environment_of, word

AMOUNTS: Final = ("num-cpus", "num-gpus", "memory", "object-store-memory")
"""Flags that take a whole number of at least 0."""
RESOURCES: Final = "resources"
"""The flag that takes JSON: names of resources and their amounts."""
PORTS: Final = (
    "port",
    "dashboard-agent-listen-port",
    "dashboard-port",
    "metrics-export-port",
    "ray-client-server-port",
)
READ: Final = frozenset({*AMOUNTS, RESOURCES, *PORTS, "include-dashboard"})
"""All flags that are read here as well as by Ray."""
FALSE: Final = frozenset({"0", "false", "f", "no", "n", "off"})
TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
"""The values that `ray start` accepts for a switch."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:-]{1,64}", re.ASCII)
"""Text that bash does not change."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]+(?:_[0-9]+)*", re.ASCII)
_LONGEST_INTEGER: Final = 19


def ray_environment_of(group: HeadGroupSpec | WorkerGroupSpec) -> Environment:
    """The variables that the group's template sets for Ray, and so for the shell that starts it."""
    spec = group.template.get("spec")
    containers = spec.get("containers") if isinstance(spec, Mapping) else None
    first = containers[0] if isinstance(containers, list | tuple) and containers else None
    return environment_of(first) if isinstance(first, Mapping) else {}


def known_params(params: Mapping[str, str], env: Environment) -> dict[str, str]:
    """The flags of `READ` whose values are known before a pod runs, as `ray start` gets them."""
    known: dict[str, str] = {}
    for flag in READ & params.keys():
        value = known_param(flag, params[flag], env)
        if value is not None:
            known[flag] = value
    return known


def known_param(flag: str, value: str, env: Environment) -> str | None:
    """The value that `ray start` gets; None if it is unknown or not one word."""
    if _PLAIN.fullmatch(value):
        return value  # Nearly all values are.
    try:
        return word(shell_value(flag, value), env)
    except ValueError:
        return None


def whole_number(text: str) -> int | None:
    """A whole number in digits, as `ray start` reads it; None for anything else."""
    text = text.strip()
    return int(text) if len(text) <= _LONGEST_INTEGER and _INTEGER.fullmatch(text) else None


def is_bare_json(value: str) -> bool:
    """Whether it is a JSON object without quotes for the shell, which could start nothing as it is."""
    return json_object(value) is not None


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object in `text`; None if it is not one."""
    if len(text) > LONGEST or not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def shell_value(flag: str, value: str) -> str:
    """The value as it is written into the command: as the user wrote it, except for what bash would break."""
    value = value.strip()
    return shlex.quote(value) if flag == RESOURCES and is_bare_json(value) else value
