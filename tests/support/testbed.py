"""A real control plane for tests, which ends with them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from testbed import beds
from testbed.control_plane import API_SERVER
from testbed.errors import TestbedError
from testbed.processes import Daemon, recorded
from testbed.progress import QUIET
from testbed.record import Bed, Wanted
from testbed.waiting import wait_for

_START_S = 60


@dataclass(frozen=True)
class RunningControlPlane:
    """A control plane that answers. `bed` is None for a cluster that the user gave by KUBECONFIG."""

    kubeconfig: Path
    audit_log: Path | None
    bed: Bed | None = None

    @property
    def server(self) -> str:
        """The URL of the API server."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        return str(config["clusters"][0]["cluster"]["server"])

    def kill_api_server(self) -> None:
        """End the API server as a crash would: connections are refused until `start_api_server`."""
        self._api_server().kill()

    def start_api_server(self) -> None:
        """Start the API server again, and wait until it is ready."""
        bed, api_server = self._own_bed(), self._api_server()
        api_server.start()
        api = beds.api(bed)
        wait_for("the API server to be ready again", api.ready, seconds=_START_S, why=api_server.last_words)

    def restart_api_server(self) -> None:
        self.kill_api_server()
        self.start_api_server()

    def freeze_api_server(self) -> None:
        """Suspend the API server: connections stay open and nothing answers."""
        self._api_server().signal(signal.SIGSTOP)

    def thaw_api_server(self) -> None:
        self._api_server().signal(signal.SIGCONT)

    def _own_bed(self) -> Bed:
        if self.bed is None:
            raise TestbedError(
                "this test stops the API server: unset KUBECONFIG, so that it gets one of its own"
            )
        return self.bed

    def _api_server(self) -> Daemon:
        daemons = recorded(self._own_bed().folder / "processes")
        return next(daemon for daemon in daemons if daemon.name == API_SERVER)


@contextmanager
def running_control_plane(suffix: str = "", *, audit_log: bool = True) -> Iterator[RunningControlPlane]:
    """A control plane of this process's own; give a `suffix` for a further one.

    It ends with the `with` block, with the process, or at the latest with the next such call or `down --all`.
    """
    beds.down_orphans(QUIET)
    name = f"test-{os.getpid()}{suffix}"
    bed = beds.up(Wanted(name, audit_log=audit_log), QUIET, owned=True)
    try:
        yield RunningControlPlane(bed.kubeconfig, bed.audit_log, bed)
    finally:
        beds.down(name, QUIET)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[RunningControlPlane]:
    """The control plane that a test run shares; the cluster of KUBECONFIG where one is given."""
    given = beds.given_kubeconfig()
    if given:
        yield RunningControlPlane(given, audit_log=None)
        return
    with running_control_plane() as running:
        yield running
