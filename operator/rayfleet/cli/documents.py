"""Reading the files of a command, and writing what it found as JSON or YAML."""

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
    """The YAML or JSON documents in `file`, empty ones left out. Raises CommandError."""
    try:
        text = sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_text(encoding="utf-8")
        return [found for found in read_yaml(text) if found is not None]
    except YamlError as error:
        raise CommandError(f"{file} is not YAML ({error}): mend it.") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read ({error}): name a file that can.") from None


def refuse(file: str, faults: Iterable[Violation]) -> CommandError:
    """What is wrong with `file`, a line for each fault."""
    lines = [f"  {fault}" for fault in faults]
    return CommandError("\n".join([f"{file} cannot be used:", *lines]))


def dumped(found: Mapping[str, Any], output: str) -> str:
    """`found` as text in JSON or YAML."""
    if output == "json":
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)
