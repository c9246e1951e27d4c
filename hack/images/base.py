"""The local base image: Debian with Python, by debootstrap, for machines that cannot pull a public one."""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from images.recipes import REGISTRY
from testbed.errors import TestbedError
from testbed.progress import Progress

SUITE = "bookworm"
PYTHON_VERSION = "3.11"  # what SUITE ships
PACKAGES = ("python3", "python3-venv", "ca-certificates")
# Debian's own slim images leave these out, too.
_EXCLUDED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian")
_EXCLUDED_CONTENT = ("var/cache/apt", "var/lib/apt/lists", "var/log", "var/cache/debconf")


def reference() -> str:
    """The base's name, which changes with its content."""
    digest = hashlib.sha256(repr((SUITE, PACKAGES, _EXCLUDED, _EXCLUDED_CONTENT)).encode())
    return f"{REGISTRY}/base:{SUITE}-{digest.hexdigest()[:8]}"


def mirror_in(index_targets: str) -> str | None:
    """The first Debian mirror in the ORIGIN|CODENAME|COMPONENT|REPO_URI lines of `apt-get indextargets`."""
    rows = (tuple(line.split("|")) for line in index_targets.splitlines())
    known = [(row[1], row[3]) for row in rows if row[0] == "Debian" and row[2:3] == ("main",)]
    main = [uri for codename, uri in known if "-" not in codename]  # not -updates, not -security
    return main[0] if main else None


def machine_mirror() -> str:
    """The Debian mirror that this machine's apt uses. Raises TestbedError if it uses none."""
    columns = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", columns, "Identifier: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    mirror = mirror_in(asked.stdout)
    if mirror is None:
        raise TestbedError(
            "apt knows no Debian mirror, which the base image is built from: run `apt-get update` on a Debian"
            " machine, or build where a Docker engine answers"
        )
    return mirror


def make_rootfs(folder: Path, progress: Progress) -> Path:
    """Build `folder`/rootfs.tar. Raises TestbedError with debootstrap's last output if it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    rootfs, log, archive = folder / "rootfs", folder / "debootstrap.log", folder / "rootfs.tar"
    if rootfs.exists():
        shutil.rmtree(rootfs)  # left by an interrupted run
    with progress.step(f"debootstrap {SUITE}"), log.open("w") as output:
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(rootfs)]
        done = subprocess.run([*command, machine_mirror()], stdout=output, stderr=output, check=False)
    if done.returncode:
        raise TestbedError(f"debootstrap failed; the end of {log} says:\n{log.read_text()[-1500:]}")
    with progress.step("packed the base"):
        _pack(rootfs, archive)
        shutil.rmtree(rootfs)
    return archive


def _pack(rootfs: Path, archive: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        tar.add(rootfs, arcname=".", filter=_keep)


def _keep(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = entry.name.removeprefix("./")
    if path.startswith(tuple(f"{folder}/" for folder in _EXCLUDED_CONTENT)) and entry.isfile():
        return None
    if path.startswith(tuple(f"{folder}/" for folder in _EXCLUDED)) and not path.endswith("/copyright"):
        return entry if entry.isdir() else None
    if path.startswith("dev/"):
        return None  # a container runtime makes its own
    return entry
