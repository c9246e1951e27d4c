"""A directory as Ray's working directory: a zip file that is the same whenever its files are."""

import hashlib
import io
import os
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from rayfleet.cli.errors import CommandError

LARGEST: Final = 100 << 20
"""Bytes that a head accepts in one request."""
MOST_FILES: Final = 50_000
_NEVER: Final = frozenset({".git", ".venv", "venv", "__pycache__"})
"""What Ray's own command line leaves out, too."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip file can hold."""
_GIT_SECONDS: Final = 60.0


class Package(Struct, frozen=True):
    """The files of a directory, zipped."""

    name: str
    content: bytes
    files: int

    @property
    def uri(self) -> str:
        """By which Ray finds it once it is in a head's store."""
        return f"gcs://{self.name}"

    @property
    def words(self) -> str:
        """`3 files, 12 KiB`."""
        files = f"{self.files} file{'s' * (self.files != 1)}"
        return f"{files}, {-(-len(self.content) // 1024):,} KiB"


def packed(directory: Path) -> Package:
    """The files of a directory. Raises CommandError if they are too many, too large or unreadable."""
    paths = sorted(_files(directory))
    if not paths:
        raise CommandError(f"the working directory {directory} has no files to send: name another one.")
    if len(paths) > MOST_FILES:
        raise _too_much(directory, f"{len(paths)} files, and at most {MOST_FILES}")
    held = io.BytesIO()
    try:
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in paths:
                _add(archive, directory / path, path)
                if held.tell() > LARGEST:
                    raise _too_much(
                        directory, f"more than {LARGEST >> 20} MiB, even zipped; at most that much"
                    )
    except OSError as error:
        raise CommandError(f"the working directory cannot be read ({error}): name a readable one.") from None
    content = held.getvalue()
    if len(content) > LARGEST:
        raise _too_much(directory, f"more than {LARGEST >> 20} MiB, even zipped; at most that much")
    name = f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:16]}.zip"
    return Package(name, content, len(paths))


def _add(archive: zipfile.ZipFile, file: Path, name: str) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = stat.S_IMODE(file.stat().st_mode) << 16
    archive.writestr(info, file.read_bytes())


def _files(directory: Path) -> Iterator[str]:
    """Paths below the directory; in a git repository without those that .gitignore names."""
    listed = _by_git(directory)
    for path in _all(directory) if listed is None else listed:
        if _NEVER.isdisjoint(Path(path).parts) and (directory / path).is_file():
            yield path


def _by_git(directory: Path) -> list[str] | None:
    command = ["git", "-C", str(directory), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=_GIT_SECONDS)  # noqa: S603 - git, by its name
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else [os.fsdecode(path) for path in set(done.stdout.split(b"\0")) if path]


def _all(directory: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name not in _NEVER]
        for file in files:
            yield os.path.relpath(Path(folder) / file, directory)


def _too_much(directory: Path, what: str) -> CommandError:
    return CommandError(
        f"the working directory {directory} has {what} can be sent: name in its .gitignore what is not"
        " needed, or put an archive where the cluster can read it and name its URI."
    )
