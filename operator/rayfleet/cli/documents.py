"""Reading a command's files, and writing its result as JSON or YAML."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rayfleet.api.strict_yaml import YamlError, read_yaml
from rayfleet.api.violation import Violation
from rayfleet.cli.errors import CommandError

STANDARD_INPUT = "-"


def documents(file: str) -> list[Any]:
    """The YAML or JSON documents in `file`, without empty ones. Raises CommandError."""
    try:
        text = sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_text(encoding="utf-8")
        return [document for document in read_yaml(text) if document is not None]
    except YamlError as error:
        raise CommandError(f"{file} is not valid YAML ({error}): fix it.") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read ({error}): name a readable file.") from None


def objects(documents: list[Any]) -> list[Mapping[str, Any]]:
    """Every object, including those in a List."""
    found: list[Mapping[str, Any]] = []
    for item in documents:
        if isinstance(item, Mapping):
            items = item.get("items")
            found += objects(items) if item.get("kind") == "List" and isinstance(items, list) else [item]
    return found


def refuse(file: str, faults: Iterable[Violation]) -> CommandError:
    """What is wrong with `file`, one line per fault."""
    lines = [f"  {fault}" for fault in faults]
    return CommandError("\n".join([f"{file} cannot be used:", *lines]))


def dumped(data: Mapping[str, Any], output: str) -> str:
    """`data` as JSON or YAML text."""
    if output == "json":
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
