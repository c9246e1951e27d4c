"""What the machine must have, and one clear sentence for what it lacks."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Package:
    """A Debian package, a program by which its presence is known, and what it is for."""

    name: str
    program: str
    purpose: str


CONTROL_PLANE = (
    Package("openssl", "openssl", "certificates"),
    Package("util-linux", "setpriv", "namespaces"),
)
NODE = (
    *CONTROL_PLANE,
    Package("iproute2", "ip", "the nodes' network"),
    Package("iptables", "iptables", "Services"),
    Package("runc", "runc", "containers"),
)
IMAGES = (
    Package("debootstrap", "debootstrap", "the base image"),
    Package("buildah", "buildah", "images"),
)
METRICS = (Package("prometheus", "prometheus", "the tests of the metrics"),)

_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICES = "#!/bin/sh\n# Made by the test bed while it installs packages, and removed then.\nexit 101\n"


def missing(packages: Sequence[Package]) -> list[Package]:
    """The packages whose program is not on PATH."""
    search = f"{os.environ.get('PATH', '')}:{_SBIN}"
    return [package for package in packages if not shutil.which(package.program, path=search)]


def require(packages: tuple[Package, ...]) -> None:
    """Raise TestbedError with the one line that installs what is missing."""
    lacking = missing(packages)
    if lacking:
        what = ", ".join(f"{package.program} (for {package.purpose})" for package in lacking)
        raise TestbedError(f"this machine lacks {what}: run `{install_line(lacking)}`")


def require_root() -> None:
    """Raise TestbedError unless we may make network namespaces, mounts and cgroups."""
    if os.geteuid():
        raise TestbedError(
            "the node profile makes network namespaces and cgroups: run it as root, or give KUBECONFIG"
        )


def install_line(packages: list[Package]) -> str:
    sudo = "" if os.geteuid() == 0 else "sudo "
    return (
        f"{sudo}apt-get install -y --no-install-recommends {' '.join(package.name for package in packages)}"
    )


def install(packages: list[Package]) -> None:
    """Install Debian packages, as root, without starting their services.

    Raises TestbedError with what apt said.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _services_left_off():
        for command in ("apt-get update -q", install_line(packages)):
            done = subprocess.run(
                command.split(), env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise TestbedError(f"`{command}` failed: {done.stderr.strip()[-500:]}")


@contextmanager
def _services_left_off() -> Iterator[None]:
    """Debian asks this program before it starts what it has installed; one that is there is left as it is."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_NO_SERVICES)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
