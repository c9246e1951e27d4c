"""The fields of a RayJob that hold YAML or JSON as text, read."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from rayfleet.api.base import MOST_NAMES
from rayfleet.api.rayjob.spec import RayJobSpec
from rayfleet.api.strict_yaml import YamlError
from rayfleet.api.tenant_yaml import read_map

_LONGEST: Final = 16_384
"""Characters of a JSON object with 64 names."""
_WANTED: Final = 'a JSON object of numbers, such as {"name": 1}'


def runtime_env(spec: RayJobSpec) -> Mapping[str, Any]:
    """Ray's runtime environment of the job; empty if there is none.

    Raises ValueError, with a message for the user, if it is not a map in YAML or too large.
    """
    try:
        return read_map(spec.runtime_env_yaml)
    except YamlError as error:
        raise ValueError(f"must be a YAML map (failed to unmarshal RuntimeEnvYAML): {error}.") from None


def entrypoint_resources(spec: RayJobSpec) -> Mapping[str, float]:
    """Custom resources that are reserved for the driver, by name; empty if there are none.

    Raises ValueError, with a message for the user, if it is not a JSON object of numbers or too large.
    """
    text = spec.entrypoint_resources
    if not text.strip():
        return {}
    if len(text) > _LONGEST:
        raise ValueError(
            f"must have at most {_LONGEST} characters, but has {len(text)}: name fewer resources."
        )
    try:
        resources = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"must be {_WANTED}: {error.msg} at character {error.pos + 1}.") from None
    if not isinstance(resources, dict):
        raise ValueError(f"must be {_WANTED}.")  # noqa: TRY004 - callers expect a ValueError
    for name, amount in resources.items():
        if isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
            raise ValueError(f"must be {_WANTED}, but '{name[:60]}' is not a number of at least 0.")
    if len(resources) > MOST_NAMES:
        raise ValueError(
            f"must name at most {MOST_NAMES} resources, but names {len(resources)}: remove some."
        )
    return resources
