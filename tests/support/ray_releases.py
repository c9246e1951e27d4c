"""Releases of Ray, each in an environment of its own, which stays in the project's cache folder."""

import fcntl
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from testbed import paths

_INSTALL_SECONDS = 600
OWN = Path(sys.executable)
"""The interpreter of the tests' own environment, with the Ray that everything else is tested with."""


def python_with_ray(version: str, *, dashboard: bool = False) -> Path:
    """The interpreter of an environment with this Ray, made on first use. Raises CalledProcessError.

    `dashboard`: with everything that its dashboard needs, as in the image.
    """
    ray = "ray[default]" if dashboard else "ray"
    folder = paths.cache() / "rays"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{version}-dashboard" if dashboard else version
    place = folder / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    complete = place / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True)
            pip = (str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install")
            subprocess.run(
                [*pip, "--quiet", "--no-cache-dir", f"{ray}=={version}"], check=True, timeout=_INSTALL_SECONDS
            )
            complete.touch()
    return place / "bin" / "python"
