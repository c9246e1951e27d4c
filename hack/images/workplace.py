"""Where images are built: our own store in the cache, one builder at a time."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from images.engines import Buildah
from testbed import paths
from testbed.errors import TestbedError
from testbed.progress import Progress

_PIP_CACHE = "buildah-cache"  # the name that buildah gives it
_LONGEST_EXCERPT = 3000


@contextmanager
def alone(progress: Progress) -> Iterator[None]:
    """Keep other builders out, and remove what a killed one has left."""
    with (_store() / ".lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("  another process is building images; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        _clear()
        yield


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """An empty temporary folder."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=_scratch()) as folder:
        yield Path(folder)


def run(command: Sequence[str]) -> None:
    """Run a builder's command. Raises TestbedError with its last output if it fails."""
    done = subprocess.run(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        said = done.stdout[-_LONGEST_EXCERPT:]
        raise TestbedError(f"`{' '.join(command)}` failed with status {done.returncode}; it said:\n{said}")


def succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, env=_environment(), capture_output=True, check=False).returncode == 0


def unfinished(archive: Path) -> Path:
    """Where an archive is written before it gets its name, so that a partial one never looks finished."""
    return archive.with_name(f".{archive.name}.unfinished")


def _clear() -> None:
    for folder in _scratch().iterdir():
        if folder.name != _PIP_CACHE:
            shutil.rmtree(folder, ignore_errors=True)
    for archive in paths.images().glob(".*-*.tar.unfinished"):
        if not archive.name.startswith(".pause-"):  # the test bed's own
            archive.unlink()
    if shutil.which("buildah"):
        run(Buildah().remove_working_containers())


def _environment() -> dict[str, str]:
    conf = _store() / "storage.conf"
    conf.write_text(Buildah().storage_conf(_store()))
    # buildah keeps pip's cache, between builds, where TMPDIR is.
    ours = {"CONTAINERS_STORAGE_CONF": str(conf), "TMPDIR": str(_scratch()), "DOCKER_BUILDKIT": "1"}
    return {**os.environ, **ours}


def _scratch() -> Path:
    folder = _store() / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _store() -> Path:
    folder = paths.images() / "store"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
