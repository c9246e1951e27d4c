"""The golden files: their content, what it should be, and the aspects in which the two differ."""

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
    """One draw: a digest of each aspect over all of its passes."""
    digest = digests(drawn.aspects for drawn in draws.passes(draw))
    return " ".join([draw, *(f"{aspect}={digest[aspect]}" for aspect in ASPECTS)])


def text_of(account: Any) -> str:  # noqa: ANN401 - JSON
    """As YAML, sorted by name, with multi-line texts as blocks."""
    return yaml.dump(account, Dumper=_Dumper, sort_keys=True, width=_WIDTH, allow_unicode=True)


def manifest_files() -> Iterator[tuple[str, Json]]:
    """What the operator does with each whole manifest, by name."""
    for manifest in manifests():
        yield f"{manifest.name}.yaml", account_of(manifest)


def changed_manifests(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Manifests whose account has changed, and the aspects that differ."""
    changed, files = {}, {path.name for path in (folder / "manifests").glob("*.yaml")}
    for name, account in manifest_files():
        file = folder / "manifests" / name
        files.discard(name)
        before = yaml.load(file.read_text(), Loader=yaml.CSafeLoader) if file.exists() else {}
        if aspects := _differing(before, account):
            changed[name] = aspects
    return changed | {name: ["left over"] for name in files}


def changed_draws(names: Iterable[str], lines: Iterable[str], folder: Path = FOLDER) -> dict[str, list[str]]:
    """Draws whose digests have changed, and the aspects that differ; `lines` are the current ones."""
    stored = {line.split(" ", 1)[0]: line for line in (folder / DRAWS).read_text().splitlines()}
    changed = {}
    for name, line in zip(names, lines, strict=True):
        before, now = _fields(stored.get(name, name)), _fields(line)
        if before != now:
            changed[name] = [aspect for aspect in ASPECTS if before.get(aspect) != now.get(aspect)]
    return changed


def _fields(line: str) -> dict[str, str]:
    return dict(field.split("=") for field in line.split(" ")[1:])


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The aspects in which two accounts of a manifest differ."""
    pairs = [(before, after)]
    passes = before.get("passes", {}), after["passes"]
    pairs += [tuple(each.get(name, {}) for each in passes) for name in {**passes[0], **passes[1]}]
    return [name for name in ASPECTS if any(was.get(name) != now.get(name) for was, now in pairs)]


class _Dumper(yaml.CSafeDumper):
    """Writes no aliases: repeated content is written in full."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - as in PyYAML
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
