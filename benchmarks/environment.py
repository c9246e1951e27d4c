"""A Python environment like that of the operator's image, without what only tests and tools need."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.bed import REPOSITORY
from testbed import paths
from testbed.errors import TestbedError
from testbed.progress import Progress

LOCK = REPOSITORY / "requirements" / "operator.txt"


def operator_python(progress: Progress) -> Path:
    """Its interpreter; the environment is created on first use, and again if the lock file or Python changes.

    kopf loads a Kubernetes client where it finds one, so in the environment of tests the operator would
    hold 10 MiB more than users have. Raises TestbedError if the packages cannot be installed.
    """
    described = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = paths.cache() / f"operator-python-{described}"
    if not folder.is_dir():
        with progress.step("made the operator's Python environment"):
            _make(folder)
    return folder / "bin" / "python"


def _make(folder: Path) -> None:
    # Under another name until it is complete; only its scripts contain the folder's name, and none is used.
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    venv.create(unfinished, clear=True, with_pip=True)
    done = subprocess.run(
        [unfinished / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "--requirement", LOCK],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise TestbedError(f"pip could not install {LOCK.name}: {done.stderr.strip()[-500:]}")
    unfinished.rename(folder)
