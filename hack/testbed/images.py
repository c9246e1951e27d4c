"""Container images of our own making, as docker archives; and the import of archives into nodes."""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import binaries, paths
from testbed.errors import TestbedError

PAUSE = "localhost/pause:1"


def pause_archive() -> Path:
    """The image of the container that holds a pod's namespaces."""
    archive = paths.images() / f"{binaries.folder('pause').name}.tar"
    if not archive.exists():
        write_archive(archive, PAUSE, {"/pause": binaries.path("pause")}, ["/pause"])
    return archive


def write_archive(archive: Path, image: str, files: Mapping[str, Path], entrypoint: Sequence[str]) -> None:
    """Write an image of one layer that holds these files (path in the image -> file here), all executable."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for target, source in files.items():
            entry = tarfile.TarInfo(target.lstrip("/"))
            entry.mode, entry.size = 0o755, source.stat().st_size
            with source.open("rb") as content:
                tar.addfile(entry, content)
    _write_docker_archive(archive, image, layer.getvalue(), entrypoint)


def _write_docker_archive(archive: Path, image: str, layer: bytes, entrypoint: Sequence[str]) -> None:
    digest = hashlib.sha256(layer).hexdigest()
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Entrypoint": list(entrypoint)},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    )
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = _json([{"Config": name, "RepoTags": [image], "Layers": [f"{digest}/layer.tar"]}])
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(f".{archive.name}.unfinished")
    with tarfile.open(unfinished, mode="w") as tar:
        for path, content in ((name, config), (f"{digest}/layer.tar", layer), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    unfinished.rename(archive)


def _json(value: Any) -> bytes:  # noqa: ANN401 - whatever json takes
    return json.dumps(value).encode()


def load(archive: Path, enter: Sequence[str]) -> None:
    """Import a docker archive into the containerd that runs where the command `enter` leads.

    Raises TestbedError if there is no such file or containerd does not take it.
    """
    # By its content, not its path: a node may not see the same files.
    try:
        content = archive.open("rb")
    except OSError as error:
        raise TestbedError(f"the image archive {archive} cannot be read: {error.strerror}") from error
    with content:
        done = subprocess.run(
            [*enter, str(binaries.path("ctr")), "--namespace=k8s.io", "images", "import", "-"],
            stdin=content,
            capture_output=True,
            check=False,
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise TestbedError(f"containerd did not take {archive}, which must be a docker archive: {said}")
