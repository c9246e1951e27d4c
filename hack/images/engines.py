"""The command lines of the two ways to build: buildah without a daemon, or a Docker engine where one answers.

Values in, values out; build.py runs them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from images.recipes import Recipe


class Engine(Protocol):
    """Builds an image from a staged context and saves it as a docker-archive."""

    @property
    def name(self) -> str: ...

    def build(self, recipe: Recipe, context: Path, secrets: Mapping[str, Path]) -> list[str]: ...

    def save(self, reference: str, archive: Path) -> list[str]: ...


def _common(recipe: Recipe, context: Path, secrets: Mapping[str, Path]) -> list[str]:
    args = [f"--build-arg={key}={value}" for key, value in sorted(recipe.build_args.items())]
    hidden = [f"--secret=id={key},src={path}" for key, path in sorted(secrets.items())]
    return [
        *args,
        *hidden,
        f"--file={context / recipe.dockerfile}",
        f"--tag={recipe.reference}",
        str(context),
    ]


@dataclass(frozen=True)
class Docker:
    """A Docker engine, which can pull the public base images."""

    name: str = "docker"

    def build(self, recipe: Recipe, context: Path, secrets: Mapping[str, Path]) -> list[str]:
        return ["docker", "build", "--quiet", "--network=host", *_common(recipe, context, secrets)]

    def save(self, reference: str, archive: Path) -> list[str]:
        return ["docker", "save", "--output", str(archive), reference]


# buildah mounts layers and starts processes that outlive it when it is killed. In namespaces of their own
# they go with it, and it goes with us.
_CONTAINED = (
    *("setpriv", "--pdeathsig=KILL"),
    *("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
)


@dataclass(frozen=True)
class Buildah:
    """buildah as root: no daemon, no registry, no nested containers."""

    name: str = "buildah"

    def build(self, recipe: Recipe, context: Path, secrets: Mapping[str, Path]) -> list[str]:
        # chroot isolation needs no cgroup of its own; --layers is what makes the second build fast.
        flags = ["--isolation=chroot", "--network=host", "--layers", "--quiet"]
        return [*_CONTAINED, "buildah", "build", *flags, *_common(recipe, context, secrets)]

    def build_base(self, reference: str, context: Path) -> list[str]:
        flags = ["--isolation=chroot", "--quiet", f"--tag={reference}"]
        return [*_CONTAINED, "buildah", "build", *flags, str(context)]

    def save(self, reference: str, archive: Path) -> list[str]:
        target = f"docker-archive:{archive}:{reference}"
        return [*_CONTAINED, "buildah", "push", "--quiet", reference, target]

    def remove_working_containers(self) -> list[str]:
        return [*_CONTAINED, "buildah", "rm", "--all"]

    def has(self, reference: str) -> list[str]:
        return [*_CONTAINED, "buildah", "inspect", "--type=image", reference]

    def storage_conf(self, folder: Path) -> str:
        """Our own store, so that no other user of containers/storage on this machine is affected."""
        return f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
