"""The cgroup of one node, which limits the pods and identifies all the node's processes."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from testbed.errors import TestbedError

_ROOT = Path("/sys/fs/cgroup")
_UNIFIED = _ROOT / "unified"
_DAEMONS = "daemons"  # a leaf of its own: version 2 allows no processes beside child groups
_END_S = 10.0


def folders(name: str) -> tuple[str, ...]:
    """The folders of the group `name`."""
    return tuple(str(hierarchy / name) for hierarchy in _hierarchies())


def make(groups: Iterable[str]) -> None:
    """Create the groups. Raises TestbedError if the machine does not allow that."""
    if _is_version_2():
        _enable_controllers()
    for group in map(Path, groups):
        try:
            group.mkdir()
        except OSError as error:
            raise TestbedError(f"the cgroup {group} cannot be created: {error.strerror}") from error
        for setting in ("cpuset.cpus", "cpuset.mems"):  # a new group has none, and nothing can run in it
            if (group.parent / setting).exists():
                (group / setting).write_text((group.parent / setting).read_text())


def daemons(name: str) -> str:
    """Make and return the group for the daemons of a node: all that they start is below the node's group.

    Beside version 1 hierarchies the version 2 one is used: no container runtime moves processes there.
    """
    group = (
        (_ROOT if _is_version_2() else _UNIFIED if _UNIFIED.is_dir() else _ROOT / "pids") / name / _DAEMONS
    )
    group.mkdir(exist_ok=True)
    return str(group)


def kill(groups: Iterable[str]) -> None:
    """End every process in the groups and below."""
    for group in map(Path, groups):
        switch = group / "cgroup.kill"
        if switch.exists():
            switch.write_text("1")
        for pid in _processes(group):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def remove(groups: Iterable[str]) -> None:
    """Remove the groups and those below. Raises TestbedError if a process in one does not end."""
    deadline = time.monotonic() + _END_S
    remaining = [Path(group) for group in groups]
    while remaining:
        kill(map(str, remaining))
        remaining = [group for group in remaining if not _is_removed(group)]
        if remaining and time.monotonic() > deadline:
            raise TestbedError(
                f"the cgroup {remaining[0]} has processes that do not end: {_processes(remaining[0])}"
            )
        if remaining:
            time.sleep(0.05)


def _is_removed(group: Path) -> bool:
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return not group.exists()


def _processes(group: Path) -> list[int]:
    found: list[int] = []
    for folder, _, _ in os.walk(group):
        try:
            found += map(int, (Path(folder) / "cgroup.procs").read_text().split())
        except OSError:  # removed meanwhile
            continue
    return found


def _hierarchies() -> list[Path]:
    if _is_version_2():
        return [_ROOT]
    # A link is a second name for another hierarchy.
    return [
        entry
        for entry in sorted(_ROOT.iterdir())
        if not entry.is_symlink() and (entry / "cgroup.procs").exists()
    ]


def _is_version_2() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _enable_controllers() -> None:
    """Allow limits on child groups; a controller that is already on, or absent, stays as it is."""
    switch = _ROOT / "cgroup.subtree_control"
    enabled = switch.read_text().split()
    for controller in (_ROOT / "cgroup.controllers").read_text().split():
        if controller not in enabled and controller in ("cpu", "cpuset", "hugetlb", "io", "memory", "pids"):
            switch.write_text(f"+{controller}")
