"""What a bed is, written down before any of it is started, so that any later process can take it down."""

import fcntl
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from testbed import network, paths
from testbed.errors import TestbedError
from testbed.subnets import Network, Subnets, host_networks

CONTROL_PLANE = "control-plane"
NODE = "node"
KWOK = "kwok"
# What a bed is made of: processes of ours, or, where a Docker engine answers, containers that kind makes.
PROCESSES = "processes"
KIND = "kind"
_INDEXES = range(100)
# Below the range from which Linux takes the ports of outgoing connections.
_FIRST_PORT = 21000
_PORTS = 3


@dataclass(frozen=True)
class Size:
    """How many nodes a profile has by default, and at most."""

    nodes: int
    gpus_per_node: int
    most_nodes: int


_REAL = Size(nodes=2, gpus_per_node=4, most_nodes=Subnets.MAX_NODES)
PROFILES = {CONTROL_PLANE: _REAL, NODE: _REAL, KWOK: Size(nodes=100, gpus_per_node=8, most_nodes=1000)}


@dataclass(frozen=True)
class Wanted:
    """What the user asks of a bed."""

    name: str
    profile: str = CONTROL_PLANE
    nodes: int = 2
    gpus_per_node: int = 4
    audit_log: bool = False
    audit_policy: str = ""  # a file; empty: every write with its body, and that reads happened

    def check(self) -> None:
        """Raise TestbedError that names the option that does not fit, and what would."""
        check_name(self.name)
        if self.profile not in PROFILES:
            raise TestbedError(f"--profile is {self.profile!r}: give one of {', '.join(PROFILES)}")
        most = PROFILES[self.profile].most_nodes
        if not 1 <= self.nodes <= most:
            raise TestbedError(f"--nodes is {self.nodes}: give 1 to {most}")
        if not 0 <= self.gpus_per_node <= 64:  # noqa: PLR2004 - more than any real node has
            raise TestbedError(f"--gpus-per-node is {self.gpus_per_node}: give 0 to 64")


@dataclass(frozen=True)
class Bed:
    """One bed, as recorded in `bed.json`."""

    wanted: Wanted
    index: int
    boot_id: str
    driver: str = PROCESSES
    ready: bool = False
    links: tuple[str, ...] = ()  # network links on the host
    cgroups: tuple[str, ...] = ()  # folders of the cgroup file systems
    owner: tuple[int, str] | None = None  # pid and start time of the process that the bed must not outlive

    @property
    def name(self) -> str:
        return self.wanted.name

    @property
    def folder(self) -> Path:
        return paths.beds() / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def audit_log(self) -> Path | None:
        return self.folder / "audit.log" if self.wanted.audit_log else None

    @property
    def subnets(self) -> Subnets:
        return Subnets(self.index)

    def port(self, number: int) -> int:
        """One of the bed's ports on loopback: 0 is the API server, 1 and 2 are etcd."""
        return _FIRST_PORT + self.index * _PORTS + number

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(f"worker-{number}" for number in range(1, self.wanted.nodes + 1))

    def save(self) -> "Bed":
        """Write the record in one step: a reader sees the old one or the new one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / ".bed.json"
        unfinished.write_text(json.dumps(asdict(self), indent=2) + "\n")
        unfinished.rename(self.folder / "bed.json")
        return self

    def with_changes(self, **changes: Any) -> "Bed":
        return replace(self, **changes).save()

    @property
    def booted_since(self) -> bool:
        """The machine was booted after the bed was made: none of its processes can be alive."""
        return self.boot_id != _boot_id()


def check_name(name: str) -> None:
    """Raise TestbedError unless `name` can be part of a file, cgroup and node name."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?", name):
        raise TestbedError(
            f"--name is {name!r}: give 1 to 30 lower-case letters, digits and '-',"
            " with a letter or digit at both ends"
        )


def load(name: str) -> Bed | None:
    """The record of a bed; None if there is none, or only the first traces of one."""
    try:
        raw = json.loads((paths.beds() / name / "bed.json").read_text())
    except FileNotFoundError:
        return None
    return Bed(
        **{
            **raw,
            "wanted": Wanted(**raw["wanted"]),
            "links": tuple(raw["links"]),
            "cgroups": tuple(raw["cgroups"]),
            "owner": tuple(raw["owner"]) if raw["owner"] else None,
        }
    )


def names() -> list[str]:
    """Every bed that has left a trace, whole or not."""
    try:
        return sorted(entry.name for entry in paths.beds().iterdir() if not entry.name.startswith("."))
    except FileNotFoundError:
        return []


def create(wanted: Wanted, driver: str, *, owner: tuple[int, str] | None = None) -> Bed:
    """Record a new bed under an index of its own, whose ports and addresses nothing here uses."""
    with _locked(".index"):
        taken = {bed.index for bed in map(load, names()) if bed}
        networks = host_networks()
        for index in _INDEXES:
            bed = Bed(wanted=wanted, index=index, boot_id=_boot_id(), driver=driver, owner=owner)
            if index in taken or not all(_is_free(bed.port(number)) for number in range(_PORTS)):
                continue
            if wanted.profile == NODE and not _has_room(bed.subnets, networks):
                continue
            return bed.save()
    raise TestbedError(f"all {len(_INDEXES)} places for test beds are taken: `make testbed-down` frees them")


def _has_room(subnets: Subnets, networks: Sequence[Network]) -> bool:
    return network.is_free(subnets) and not any(subnets.all.overlaps(other) for other in networks)


def forget(name: str) -> None:
    """Delete every file of a bed whose processes are gone."""
    shutil.rmtree(paths.beds() / name, ignore_errors=True)
    left = paths.beds() / name
    if left.exists():
        raise TestbedError(
            f"{left} could not be deleted: it belongs to another user; take the bed down as that user"
        )


@contextmanager
def lock(name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the bed against other processes; yields False where `wait` is off and another holds it."""
    file = f".{name}.lock"
    with _locked(file, wait=wait) as held:
        try:
            yield held
        finally:
            if held and not (paths.beds() / name).exists():
                (paths.beds() / file).unlink(missing_ok=True)


@contextmanager
def _locked(file: str, *, wait: bool = True) -> Iterator[bool]:
    path = paths.beds() / file
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            if not _is_still(held.fileno(), path):
                continue  # deleted while we waited for it: others now lock another file
            yield True
            return


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
