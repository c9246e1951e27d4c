"""Builds images into the cache: staged inputs in, a docker-archive out, and nothing twice."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from images import base, engines, recipes, workplace
from images.pip_conf import pip_conf
from images.recipes import Recipe
from testbed import paths
from testbed.errors import TestbedError
from testbed.progress import Progress

_TOOLS = {"buildah": "buildah", "debootstrap": "debootstrap"}  # program: Debian package
_USUAL_SECONDS = {"operator": 30, "ray": 90, "ray-gpu": 90}
_KEPT_VERSIONS = 2  # of one image's archives: a Ray one is half a gigabyte


class Built(NamedTuple):
    """A built image."""

    archive: Path
    reference: str
    """The name that a pod uses, for exactly the sources that it was built from."""


def current(name: str) -> Recipe:
    """The recipe of image `name` as this machine builds it."""
    if name not in recipes.NAMES:
        raise TestbedError(f"there is no image {name!r}: give some of {', '.join(recipes.NAMES)}")
    if isinstance(engine(), engines.Docker):
        return recipes.recipe(name, {})
    local = {"BASE_IMAGE": base.reference(), "PYTHON_VERSION": base.PYTHON_VERSION}
    return recipes.recipe(name, local)


def archive(recipe: Recipe) -> Path:
    """The path of the image's docker-archive, built or not."""
    return paths.images() / recipe.archive_name


def engine() -> engines.Docker | engines.Buildah:
    """A Docker engine if one answers, else buildah."""
    docker = shutil.which("docker")
    if docker:
        asked = subprocess.run([docker, "info"], capture_output=True, timeout=20, check=False)
        if asked.returncode == 0:
            return engines.Docker()
    return engines.Buildah()


def ensure(name: str, progress: Progress) -> Built:
    """Image `name`, built if its inputs have changed. Raises TestbedError if that fails."""
    recipe = current(name)
    made = Built(archive(recipe), recipe.reference)
    if made.archive.is_file():
        progress.say(f"  {made.reference} is built: {made.archive}")
        return made
    with workplace.alone(progress):
        if not made.archive.is_file():
            _build(recipe, made.archive, progress)
    return made


def ensure_base(progress: Progress) -> None:
    """The local base image in buildah's store, built if missing."""
    _check_tools()
    with workplace.alone(progress):
        _base(progress)


def _build(recipe: Recipe, made: Path, progress: Progress) -> None:
    chosen = engine()
    if isinstance(chosen, engines.Buildah):
        _check_tools()
        _base(progress)
    usual = _USUAL_SECONDS[recipe.name]
    progress.say(f"  building {recipe.reference} with {chosen.name} (about {usual} s the first time)")
    with workplace.scratch(recipe.name) as scratch:
        context, secrets = _stage(recipe, scratch)
        with progress.step(f"built {recipe.name}"):
            workplace.run(chosen.build(recipe, context, secrets))
        with progress.step(f"saved {recipe.name}"):
            unfinished = workplace.unfinished(made)
            workplace.run(chosen.save(recipe.reference, unfinished))
            unfinished.rename(made)
    progress.say(f"  {made} ({made.stat().st_size / 1e6:.0f} MB)")
    _drop_older(recipe)


def _base(progress: Progress) -> None:
    buildah = engines.Buildah()
    if workplace.succeeds(buildah.has(base.reference())):
        return
    progress.say(f"  making the local base image {base.reference()} (about 60 s, once)")
    with workplace.scratch("base") as scratch:
        rootfs = base.make_rootfs(scratch, progress)
        (scratch / "Dockerfile").write_text(f"FROM scratch\nADD {rootfs.name} /\n")
        with progress.step("built base"):
            workplace.run(buildah.build_base(base.reference(), scratch))


def _stage(recipe: Recipe, scratch: Path) -> tuple[Path, dict[str, Path]]:
    """Copy the recipe's files into a context, so that the build sees exactly what the digest covers."""
    context = scratch / "context"
    for file in recipe.files:
        target = context / file
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(recipes.REPOSITORY / file, target)
        except FileNotFoundError as error:
            raise TestbedError(f"image {recipe.name} needs {file}, which is not in the checkout") from error
        target.chmod(0o644)  # whatever the checkout's umask was, a non-root user must be able to read it
    conf = scratch / "pip.conf"
    conf.write_text(pip_conf(os.environ))
    secrets = {"pip_conf": conf}
    if os.environ.get("PIP_CERT"):
        secrets["ca"] = Path(os.environ["PIP_CERT"])
    return context, secrets


def _drop_older(recipe: Recipe) -> None:
    archives = paths.images().glob(f"{recipe.name}-{recipe.version}-*.tar")
    by_age = sorted(archives, key=lambda file: file.stat().st_mtime)
    for old in by_age[:-_KEPT_VERSIONS]:
        old.unlink(missing_ok=True)


def _check_tools() -> None:
    missing = [package for program, package in _TOOLS.items() if shutil.which(program) is None]
    if missing:
        raise TestbedError(
            f"building images without a Docker engine needs {' and '.join(missing)}:"
            f" run `apt-get install {' '.join(missing)}`"
        )
    if os.geteuid() != 0:
        raise TestbedError(
            "building images without a Docker engine needs root: run this as root, or start Docker"
        )
