"""YAML that a tenant writes into a field, read as JSON: bounded in size and depth before anything is built.

It means what it means to Go programs, as users know it from them: a date is text, and so is `1:30`.
"""

import math
from collections.abc import Hashable
from typing import Any, Final, TypeAlias

import yaml

from rayfleet.api.strict_yaml import UniqueKeys, YamlError, message_of

LONGEST: Final = 65_536
"""Characters."""
MOST_VALUES: Final = 5_000
"""Keys, values, maps and lists together; so many take about 40 ms to read."""
DEEPEST: Final = 64
"""Levels of maps and lists."""
_LONGEST_NUMBER: Final = 64
_LONGEST_MESSAGE: Final = 200
_NO_NUMBER: Final = "it has a number that JSON cannot hold: write it in quotes"
_OPENING: Final = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSING: Final = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
_BITS: Final = 64

Json: TypeAlias = Any


def read_map(text: str) -> dict[str, Json]:
    """The map in `text`, as JSON; empty if the text has no content. Raises YamlError."""
    if len(text) > LONGEST:
        raise YamlError(f"it has {len(text)} characters: use at most {LONGEST}")
    try:
        _check_shape(text)
        documents = [document for document in yaml.load_all(text, _AsJson) if document is not None]
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    except (ValueError, yaml.YAMLError) as error:
        raise YamlError(message_of(error)[:_LONGEST_MESSAGE]) from None
    if len(documents) > 1:
        raise YamlError(f"it has {len(documents)} documents: put all into one")
    content = documents[0] if documents else {}
    if not isinstance(content, dict):
        raise YamlError("it is not a map: write lines of the form `key: value`")
    as_json: dict[str, Json] = _json(content)
    return as_json


def _check_shape(text: str) -> None:
    """Refuse what would be larger or deeper in memory than in the text. Raises YamlError."""
    depth = values = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            # A few lines of aliases can stand for gigabytes.
            mark: Any = event.start_mark
            raise YamlError(f"line {mark.line + 1}: aliases (`*`) are not supported: write the value out")
        values += isinstance(event, yaml.NodeEvent)
        if values > MOST_VALUES:
            raise YamlError(f"it is too large: use at most {MOST_VALUES} keys and values")
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        if depth > DEEPEST:
            raise YamlError(f"it is nested too deeply: use at most {DEEPEST} levels of maps and lists")


class _AsJson(UniqueKeys, yaml.CSafeLoader):
    """Reads YAML's dates, and numbers to the base of 60, as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as PyYAML declares it
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):  # To Python 1, 1.0 and true are one key.
            raise YamlError("two of its keys are the same: write them in quotes, or remove one")
        return mapping


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | str:
    if len(node.value) > _LONGEST_NUMBER:
        raise YamlError(_NO_NUMBER)
    return _text(loader, node) if ":" in node.value else loader.construct_yaml_int(node)


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float | str:
    return _text(loader, node) if ":" in node.value else loader.construct_yaml_float(node)


_AsJson.add_constructor("tag:yaml.org,2002:timestamp", _text)
_AsJson.add_constructor("tag:yaml.org,2002:int", _integer)
_AsJson.add_constructor("tag:yaml.org,2002:float", _float)


def _json(value: object) -> Json:
    """`value` with text as keys. Raises YamlError for what JSON does not have."""
    if isinstance(value, dict):
        return {_key(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int) and value.bit_length() < _BITS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int | float):
        raise YamlError(_NO_NUMBER)
    raise YamlError(f"it has a value that JSON does not have ({type(value).__name__}): write it in quotes")


def _key(key: object) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, str | int | float):
        return str(key)
    raise YamlError("it has a key that is not text: write it in quotes")
