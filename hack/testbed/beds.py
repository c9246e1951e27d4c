"""Bringing a bed up, finding it again, and taking it down, whatever its driver."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import binaries, cluster, kind, kwok, paths, prerequisites, record, teardown
from testbed.api import Api
from testbed.control_plane import ControlPlane, on_loopback
from testbed.errors import TestbedError
from testbed.processes import recorded, start_time
from testbed.progress import Progress
from testbed.record import Bed, Wanted


def given_kubeconfig() -> Path | None:
    """The user's cluster from KUBECONFIG; None if it is unset or names one of our own beds."""
    given = os.environ.get("KUBECONFIG")
    if not given:
        return None
    path = Path(given).absolute()
    if path.is_relative_to(paths.beds()):
        return None
    if not path.is_file():
        raise TestbedError(
            f"KUBECONFIG is {given}, which is not a file: give one kubeconfig file or unset the variable"
        )
    return path


def up(wanted: Wanted, progress: Progress, *, owned: bool = False) -> Bed:
    """Bring a bed up, or use a healthy one; an `owned` bed ends with the calling process.

    Raises TestbedError, and leaves nothing behind, where that does not work.
    """
    wanted.check()
    how = _how(wanted)
    if how.takes_root:
        prerequisites.require_root()
    prerequisites.require(how.packages)
    with record.lock(wanted.name):
        there = _existing(wanted, progress)
        if there:
            return there
        binaries.ensure(how.binaries, progress)
        bed = record.create(wanted, how.driver, owner=_this_process() if owned else None)
        with _all_or_nothing(bed):
            return how.start(bed, progress).with_changes(ready=True)


@dataclass(frozen=True)
class _How:
    """How a profile is brought up on this machine."""

    driver: str
    binaries: tuple[str, ...]
    packages: tuple[prerequisites.Package, ...]
    start: Callable[[Bed, Progress], Bed]
    takes_root: bool = False


def _how(wanted: Wanted) -> _How:
    if wanted.profile == record.CONTROL_PLANE:
        return _How(
            record.PROCESSES, binaries.CONTROL_PLANE, prerequisites.CONTROL_PLANE, _start_control_plane
        )
    if wanted.profile == record.KWOK:
        return _How(record.PROCESSES, binaries.KWOK, prerequisites.CONTROL_PLANE, _start_with_kwok)
    if kind.answers():
        return _How(record.KIND, binaries.BESIDE_DOCKER, (), kind.start)
    return _How(record.PROCESSES, binaries.NODE, prerequisites.NODE, cluster.start, takes_root=True)


def load_image(bed: Bed, archive: Path) -> None:
    """Import a docker archive into every node of the bed."""
    if bed.wanted.profile != record.NODE:
        raise TestbedError(f"{bed.name} has no nodes to load an image into: bring one up with --profile node")
    if bed.driver == record.KIND:
        kind.load_image(bed, archive)
    else:
        cluster.load_image(bed, archive)


def set_unhealthy_gpus(bed: Bed, node: str, gpus: Sequence[str]) -> None:
    """Mark exactly these GPUs of a node as unhealthy; without any, all are healthy again."""
    there = [f"gpu-{number}" for number in range(bed.wanted.gpus_per_node)]
    unknown = [gpu for gpu in gpus if gpu not in there]
    if unknown:
        raise TestbedError(f"there is no GPU {unknown[0]!r}: each node has {', '.join(there) or 'none'}")
    if bed.driver == record.KIND:
        kind.set_unhealthy_gpus(node, gpus)
        return
    members = {member.name: member for member in cluster.nodes(bed)}
    if bed.wanted.profile != record.NODE or node not in members:
        raise TestbedError(f"{bed.name} has no node {node!r}: `kubectl get nodes` lists them")
    members[node].set_unhealthy_gpus(gpus)


def down(name: str, progress: Progress) -> None:
    """Take a bed down, complete or not; does nothing if there is none."""
    record.check_name(name)
    if name not in record.names():
        progress.say(f"there is no test bed {name}")
        return
    with record.lock(name, wait=False) as held:
        if held:
            _down(name, progress)
            return
    progress.say(f"  another process is at work on {name}; waiting for it")
    with record.lock(name):
        _down(name, progress)


def down_orphans(progress: Progress) -> None:
    """Take down the beds whose owner is gone, such as those of a test run that was killed."""
    for bed in filter(None, map(record.load, record.names())):
        if bed.owner and start_time(bed.owner[0]) != bed.owner[1]:
            down(bed.name, progress)


def find(name: str) -> Bed:
    """The bed with this name. Raises TestbedError that lists the existing ones."""
    bed = record.load(name)
    if bed is None:
        there = ", ".join(record.names()) or "none"
        raise TestbedError(f"there is no test bed {name!r}; there are: {there}")
    return bed


def api(bed: Bed) -> Api:
    """The bed's API server, as its administrator."""
    where = cluster.place(bed) if bed.wanted.profile == record.NODE else on_loopback(bed)
    return ControlPlane(bed, where).api()


def state(bed: Bed) -> str:
    """`ready`, `starting`, or `broken` if a part of it is gone."""
    if healthy(bed):
        return "ready"
    with record.lock(bed.name, wait=False) as held:
        return "broken" if held else "starting"


def healthy(bed: Bed) -> bool:
    """Whether everything that was started still runs, and the API server answers."""
    if not bed.ready or bed.booted_since:
        return False
    if bed.driver == record.KIND:
        return kind.ready(bed)
    daemons = recorded(bed.folder / "processes")
    return bool(daemons) and all(daemon.pid for daemon in daemons) and api(bed).ready()


def _existing(wanted: Wanted, progress: Progress) -> Bed | None:
    bed = record.load(wanted.name)
    if bed and healthy(bed):
        if bed.wanted != wanted:
            raise TestbedError(
                f"{wanted.name} is already up with other options ({_options(bed.wanted)}):"
                f" give another --name, or take it down with `make testbed-down BED={wanted.name}`"
            )
        progress.say(f"  {wanted.name} is already up")
        return bed
    if wanted.name in record.names():
        with progress.step("cleaned up what an earlier run left"):
            teardown.remove(wanted.name)
    return None


def _this_process() -> tuple[int, str]:
    return os.getpid(), start_time(os.getpid()) or ""


def _options(wanted: Wanted) -> str:
    return f"profile {wanted.profile}, {wanted.nodes} nodes, audit log {'on' if wanted.audit_log else 'off'}"


def _down(name: str, progress: Progress) -> None:
    with progress.step(f"took down {name}"):
        teardown.remove(name)


def _start_with_kwok(bed: Bed, progress: Progress) -> Bed:
    _start_control_plane(bed, progress)
    kwok.start(bed, ControlPlane(bed, on_loopback(bed)), progress)
    return bed


def _start_control_plane(bed: Bed, progress: Progress) -> Bed:
    plane = ControlPlane(bed, on_loopback(bed))
    with progress.step("made certificates"):
        plane.make_credentials()
    with progress.step("started etcd and the API server"):
        plane.start_storage()
        plane.start_api_server()
        plane.wait_ready()
    with progress.step("started the controller manager and the scheduler"):
        plane.start_controllers()
        plane.wait_usable()
    return bed


@contextmanager
def _all_or_nothing(bed: Bed) -> Iterator[None]:
    try:
        yield
    except BaseException:
        teardown.remove(bed.name)
        raise


def environment(bed: Bed) -> str:
    """What a shell needs to use a bed with kubectl, helm and this Python's programs, as shell commands."""
    programs = [binaries.path("kubectl"), binaries.path("helm"), Path(sys.executable)]
    folders = ":".join(str(program.parent) for program in programs)
    return f'export KUBECONFIG={shlex.quote(str(bed.kubeconfig))}\nexport PATH={shlex.quote(folders)}:"$PATH"'


def usage(bed: Bed) -> str:
    """How to use a bed, as commands for any shell in the root of the checkout."""
    return f'eval "$(make -s testbed-env BED={bed.name})"\nkubectl get nodes'
