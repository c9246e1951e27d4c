"""The golden files: what they say, what they should say, and in which aspects the two differ."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from golden import draws
from golden.aspects import ASPECTS, digests
from golden.kubelet import Json
from golden.manifests import ROOT, account_of, manifests

FOLDER: Final = ROOT / "tests/golden"
DRAWS: Final = "draws.txt"
_WIDTH: Final = 120


def line_of(draw: str) -> str:
    """One draw: a digest of each aspect, over all of its passes."""
    found = digests(one.aspects for one in draws.passes(draw))
    return " ".join([draw, *(f"{aspect}={found[aspect]}" for aspect in ASPECTS)])


def text_of(account: Any) -> str:  # noqa: ANN401 - JSON
    """As YAML, sorted by name, with texts of several lines as they are read."""
    return yaml.dump(account, Dumper=_Dumper, sort_keys=True, width=_WIDTH, allow_unicode=True)


def manifest_files() -> Iterator[tuple[str, Json]]:
    """By name, what the operator makes of each whole manifest."""
    for manifest in manifests():
        yield f"{manifest.name}.yaml", account_of(manifest)


def changed_manifests(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Manifests of which something is not as it was, and the aspects of that."""
    found, files = {}, {path.name for path in (folder / "manifests").glob("*.yaml")}
    for name, account in manifest_files():
        file = folder / "manifests" / name
        files.discard(name)
        before = yaml.load(file.read_text(), Loader=yaml.CSafeLoader) if file.exists() else {}
        if aspects := _differing(before, account):
            found[name] = aspects
    return found | {name: ["left over"] for name in files}


def changed_draws(names: Iterable[str], lines: Iterable[str], folder: Path = FOLDER) -> dict[str, list[str]]:
    """Draws of which something is not as it was, and the aspects of that; `lines` are what they say now."""
    stored = {line.split(" ", 1)[0]: line for line in (folder / DRAWS).read_text().splitlines()}
    found = {}
    for name, line in zip(names, lines, strict=True):
        before, now = _fields(stored.get(name, name)), _fields(line)
        if before != now:
            found[name] = [aspect for aspect in ASPECTS if before.get(aspect) != now.get(aspect)]
    return found


def _fields(line: str) -> dict[str, str]:
    return dict(field.split("=") for field in line.split(" ")[1:])


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The aspects in which two accounts of a manifest differ."""
    told = [(before, after)]
    passes = before.get("passes", {}), after["passes"]
    told += [tuple(each.get(name, {}) for each in passes) for name in {**passes[0], **passes[1]}]
    return [name for name in ASPECTS if any(one.get(name) != other.get(name) for one, other in told)]


class _Dumper(yaml.CSafeDumper):
    """Writes no aliases: what is said twice is read twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - as in PyYAML
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
