"""Ray's runtime environment of a job, from the options that make it up."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rayfleet.api.strict_yaml import YamlError
from rayfleet.api.tenant_yaml import read_map
from rayfleet.cli.errors import CommandError


def read_runtime_env(given: str | None) -> dict[str, Any]:
    """The environment in a file or a text of YAML or JSON. Raises CommandError."""
    if given is None:
        return {}
    is_text = given.lstrip().startswith("{")
    try:
        text = given if is_text else Path(given).read_text(encoding="utf-8")
        return _with_files_read(read_map(text))
    except YamlError as error:
        raise CommandError(f"--runtime-env is not a map in YAML or JSON: {error}.") from None
    except (OSError, ValueError) as error:
        raise CommandError(
            f"--runtime-env cannot be read ({error}): name a readable file, or write the map as JSON."
        ) from None


def with_variables(environment: Mapping[str, Any], variables: Sequence[str]) -> dict[str, Any]:
    """With variables for the driver and its tasks: `NAME=value`, or `NAME` for one of this shell's."""
    if not variables:
        return dict(environment)
    added = dict(map(_variable, variables))
    known = environment.get("env_vars")
    return {**environment, "env_vars": {**(known if isinstance(known, Mapping) else {}), **added}}


def local_directory(environment: Mapping[str, Any]) -> Path | None:
    """The directory of this machine that is to be the working directory; None if there is none.

    Raises CommandError for what cannot be sent from here.
    """
    for module in environment.get("py_modules") or ():
        if isinstance(module, str) and "://" not in module:
            raise CommandError(
                f"py_modules names {module}, which is on this machine: put it into the working directory, or"
                " name the URI of an archive."
            )
    given = environment.get("working_dir")
    if not isinstance(given, str) or not given or "://" in given:
        return None
    if environment.get("excludes"):
        raise CommandError(
            "excludes is not supported with a working directory of this machine: name in its .gitignore what"
            " is not to be sent."
        )
    directory = Path(given).expanduser()
    if not directory.is_dir():
        raise CommandError(
            f"the working directory {given} is not a directory of this machine: name one, or the URI of an"
            " archive (such as s3://bucket/code.zip)."
        )
    return directory


def _variable(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        raise CommandError(f"--env {name}: this shell has no such variable: write --env {name}=VALUE.")
    return name, os.environ[name]


def _with_files_read(environment: dict[str, Any]) -> dict[str, Any]:
    """With the content of files of this machine in place of their names, as the head does not have them."""
    for field in ("pip", "uv"):
        if isinstance(file := environment.get(field), str):
            lines = Path(file).read_text(encoding="utf-8").splitlines()
            environment[field] = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    conda = environment.get("conda")
    if isinstance(conda, str) and conda.endswith((".yml", ".yaml")):
        environment["conda"] = read_map(Path(conda).read_text(encoding="utf-8"))
    return environment
