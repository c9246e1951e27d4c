"""Builds the Kubernetes programs from pinned Go modules once, and keeps them by version.

Each family is a Go module of its own under `modules/`, because their dependency versions differ.
Its go.mod is the only place where a version is written.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from testbed import paths
from testbed.errors import TestbedError
from testbed.progress import Progress

GIB = 1024**3


@dataclass(frozen=True)
class Family:
    """One Go module: what it pins, what is built from it, and how long that usually takes on two cores."""

    module: str
    packages: dict[str, str]
    usual_seconds: int
    free_disk_gib: int
    stamped: tuple[str, ...] = ()  # linker variables that get the version


_K8S = "k8s.io/kubernetes/cmd/"
_CONTAINERD = "github.com/containerd/containerd/v2/cmd/"
_CNI = "github.com/containernetworking/plugins/plugins/"
FAMILIES: dict[str, Family] = {
    "etcd": Family("go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}, 40, 3),
    "kubernetes": Family(
        "k8s.io/kubernetes",
        {
            name: _K8S + name
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubectl",
                "kubelet",
                "kube-proxy",
            )
        },
        345,
        12,
        # Without these the API server reports v0.0.0.
        ("k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion"),
    ),
    "containerd": Family(
        "github.com/containerd/containerd/v2",
        {name: _CONTAINERD + name for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
        60,
        3,
        ("github.com/containerd/containerd/v2/version.Version",),
    ),
    "cni": Family(
        "github.com/containernetworking/plugins",
        {
            "bridge": _CNI + "main/bridge",
            "loopback": _CNI + "main/loopback",
            "host-local": _CNI + "ipam/host-local",
            "portmap": _CNI + "meta/portmap",
        },
        15,
        1,
    ),
    "coredns": Family("github.com/coredns/coredns", {"coredns": "."}, 60, 3),
    "pause": Family("", {"pause": "."}, 5, 1),
    "probe": Family("", {"probe": "."}, 15, 1),
    "kind": Family("sigs.k8s.io/kind", {"kind": "sigs.k8s.io/kind"}, 20, 1),
    "kwok": Family("sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, 75, 3),
    "helm": Family(
        "helm.sh/helm/v4",
        {"helm": "helm.sh/helm/v4/cmd/helm"},
        150,
        3,
        ("helm.sh/helm/v4/internal/version.version",),
    ),
}
# The user's own copies of these take precedence over ours, as in other Kubernetes test tools.
_FROM_KUBEBUILDER_ASSETS = ("etcd", "kube-apiserver", "kubectl")
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
KWOK = (*CONTROL_PLANE, "kwok")
BESIDE_DOCKER = ("kind", "kubectl")
NODE = (
    *CONTROL_PLANE,
    *("kubelet", "kube-proxy"),
    *FAMILIES["containerd"].packages,
    *FAMILIES["cni"].packages,
    *("coredns", "pause"),
)


def family_of(binary: str) -> str:
    """The family of `binary`. Raises TestbedError for an unknown name."""
    for name, family in FAMILIES.items():
        if binary in family.packages:
            return name
    known = ", ".join(sorted(binary for family in FAMILIES.values() for binary in family.packages))
    raise TestbedError(f"there is no binary {binary!r}: the test bed has {known}")


def version(family: str) -> str:
    """The version that the family's go.mod pins."""
    text = (paths.MODULES / family / "go.mod").read_text()
    module = FAMILIES[family].module
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", text, re.MULTILINE) if module else None
    return found.group(1) if found else "v1"


def folder(family: str) -> Path:
    """Where the family's binaries are kept; another pin or another source is another folder."""
    source = paths.MODULES / family
    digest = hashlib.sha256()
    for file in sorted([source / "go.mod", *source.glob("*.go")]):
        digest.update(file.read_bytes())
    return paths.cache() / "bin" / f"{family}-{version(family)}-{digest.hexdigest()[:8]}"


def path(binary: str) -> Path:
    """The path of `binary`, built or not; `KUBEBUILDER_ASSETS` takes precedence for the three it can hold."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and binary in _FROM_KUBEBUILDER_ASSETS:
        given = Path(assets) / binary
        if not given.is_file():
            raise TestbedError(
                f"KUBEBUILDER_ASSETS is {assets}, which has no {binary}: add it or unset the variable"
            )
        return given
    return folder(family_of(binary)) / binary


def ensure(wanted: Iterable[str], progress: Progress) -> None:
    """Build the missing ones of the `wanted` binaries.

    Raises TestbedError if Go or disk space is missing, or a build fails.
    """
    if not _missing(wanted):
        return
    lock = paths.cache() / "bin" / ".lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("  another process is building binaries; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        missing = _missing(wanted)
        for family in dict.fromkeys(map(family_of, missing)):
            _build(family, [binary for binary in missing if family_of(binary) == family], progress)


def _missing(wanted: Iterable[str]) -> list[str]:
    return [binary for binary in wanted if not path(binary).is_file()]


def _build(family: str, missing: list[str], progress: Progress) -> None:
    go = _go()
    kind = FAMILIES[family]
    free = shutil.disk_usage(paths.cache()).free
    if free < kind.free_disk_gib * GIB:
        raise TestbedError(
            f"building {family} takes {kind.free_disk_gib} GiB of disk and {paths.cache()} has"
            f" {free / GIB:.1f} GiB free: make room there, or set RAYFLEET_CACHE to a folder on a larger disk"
        )
    target = folder(family)
    target.mkdir(parents=True, exist_ok=True)
    share = max(5, kind.usual_seconds * len(missing) // len(kind.packages))
    progress.say(
        f"  building {family} {version(family)}: {', '.join(missing)} (once; about {share} s on two cores)"
    )
    for binary in missing:
        with progress.step(f"built {binary}"):
            _go_build(go, family, binary, target / binary)


def _go_build(go: str, family: str, binary: str, target: Path) -> None:
    flags = " ".join(["-s", "-w", *(f"-X {name}={version(family)}" for name in FAMILIES[family].stamped)])
    unfinished = target.with_name(f".{binary}.unfinished")
    done = subprocess.run(
        [go, "build", "-trimpath", "-ldflags", flags, "-o", unfinished, FAMILIES[family].packages[binary]],
        cwd=paths.MODULES / family,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip()[-2000:]
        raise TestbedError(f"building {binary} failed; Go said:\n{said}")
    unfinished.rename(target)  # an interrupted build never looks finished


def _go() -> str:
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).is_file():
        raise TestbedError(
            "Go is not installed: install Go 1.26 or newer (https://go.dev/dl/) and put it on PATH"
        )
    return go
