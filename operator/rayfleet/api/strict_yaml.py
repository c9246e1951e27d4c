"""YAML as people write settings: a key that is there twice is a typo, and is refused."""

from collections import Counter
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import SafeConstructor


class YamlError(ValueError):
    """The text is not YAML, or has a key twice; the message is one line."""


def read_yaml(text: str) -> list[Any]:
    """The value of each document in `text`; None for an empty one. Raises YamlError."""
    try:
        return list(yaml.load_all(text, _Loader))
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    except (ValueError, yaml.YAMLError) as error:  # ValueError: 2026-13-40 looks like a date.
        raise YamlError(message_of(error)) from None


def message_of(error: Exception) -> str:
    """Where and what, without the excerpt, which would need lines of its own."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


class UniqueKeys(SafeConstructor):
    """Refuses a key that is there twice; PyYAML would silently use the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as PyYAML declares it
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = next((key for key, count in keys.items() if count > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"{twice} is there twice, line {node.start_mark.line + 1} and after it")
        return super().construct_mapping(node, deep)


class _Loader(UniqueKeys, yaml.SafeLoader):
    """PyYAML's loader without its leniency."""
