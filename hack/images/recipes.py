"""What each image is built from: its Dockerfile, the files it reads, its build arguments and its name.

Values only. The digest of a recipe changes when, and only when, something that goes into the image changes.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REGISTRY = "localhost/rayfleet"  # nothing is published: a runtime can only have imported it
NAMES = ("operator", "ray", "ray-gpu")
_NOT_INPUTS = ("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")


@dataclass(frozen=True)
class Recipe:
    """One image; `files` are relative to the repository and all that its Dockerfile can see."""

    name: str
    version: str
    dockerfile: Path
    files: tuple[Path, ...]
    build_args: Mapping[str, str]
    digest: str

    @property
    def reference(self) -> str:
        """The name that a pod uses; the operator's follows its source, so that a new build is rolled out."""
        tag = f"{self.version}-{self.digest[:8]}" if self.name == "operator" else self.version
        return f"{REGISTRY}/{self.name}:{tag}"

    @property
    def archive_name(self) -> str:
        return f"{self.name}-{self.version}-{self.digest[:12]}.tar"


def recipe(name: str, build_args: Mapping[str, str], root: Path = REPOSITORY) -> Recipe:
    """The recipe of image `name`, with `build_args` before the defaults of its Dockerfile."""
    dockerfile, inputs = _inputs(name)
    files = tuple(sorted(_expand(root, inputs)))
    args = {**_args_file(root / "images" / name / "build-args.env"), **build_args}
    text = (root / dockerfile).read_text()
    version = (
        _project_version(root)
        if name == "operator"
        else args.get("RAY_VERSION", _default(text, "RAY_VERSION"))
    )
    return Recipe(name, version, dockerfile, files, args, _digest(root, files, args))


def _inputs(name: str) -> tuple[Path, tuple[str, ...]]:
    if name == "operator":
        dockerfile = "images/operator/Dockerfile"
        package = ("pyproject.toml", "README.md", "LICENSE", "operator")
        return Path(dockerfile), (
            dockerfile,
            "images/operator/build-requirements.txt",
            "requirements/operator.txt",
            *package,
        )
    # One recipe for both Ray images: they differ only in their base.
    dockerfile = "images/ray/Dockerfile"
    return Path(dockerfile), (dockerfile, "images/ray/constraints.txt")


def _expand(root: Path, inputs: tuple[str, ...]) -> Iterator[Path]:
    for entry in inputs:
        if (root / entry).is_dir():
            for file in (root / entry).rglob("*"):
                if file.is_file() and not set(_NOT_INPUTS) & set(file.parts):
                    yield file.relative_to(root)
        else:
            yield Path(entry)


def _digest(root: Path, files: tuple[Path, ...], args: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file}\0".encode())
        digest.update(hashlib.sha256((root / file).read_bytes()).digest())
    for key, value in sorted(args.items()):
        digest.update(f"{key}={value}\0".encode())
    return digest.hexdigest()


def _args_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _default(dockerfile: str, arg: str) -> str:
    found = re.search(rf"^ARG {arg}=(\S+)$", dockerfile, re.MULTILINE)
    return found.group(1) if found else "latest"


def _project_version(root: Path) -> str:
    version: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return version
