"""The control-plane profile of the test bed, on the real programs."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from checks.pace import slowdown
from support.testbed import RunningControlPlane, running_control_plane
from testbed import beds, binaries, record
from testbed.errors import TestbedError
from testbed.processes import Daemon, recorded, start_time
from testbed.progress import QUIET
from testbed.record import Wanted
from testbed.waiting import wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plane() -> Iterator[RunningControlPlane]:
    with running_control_plane("-plane") as running:
        yield running


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a bed that is gone after the test, whatever happens in it."""
    unique = f"test-{os.getpid()}-cli"
    yield unique
    beds.down(unique, QUIET)


def run_testbed(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "testbed", *arguments],
        env=_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def start_testbed(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "testbed", *arguments], env=_environment(), stdout=subprocess.DEVNULL
    )


def _environment(**changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return {**inherited, "PYTHONPATH": str(ROOT / "hack"), **changes}


def kubectl(plane: RunningControlPlane, *arguments: str) -> str:
    command = [str(binaries.path("kubectl")), f"--kubeconfig={plane.kubeconfig}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def daemons_of(bed: str) -> list[Daemon]:
    return recorded(record.load(bed).folder / "processes") if record.load(bed) else []  # type: ignore[union-attr]  # asked just before


def test_a_pod_can_be_created_as_soon_as_the_bed_is_up(plane: RunningControlPlane) -> None:
    """The default service account is there, so the API server admits a pod."""
    kubectl(plane, "run", "first", "--image=example.com/none:1")
    assert kubectl(plane, "get", "pod", "first", "-o", "jsonpath={.status.phase}") == "Pending"


def test_the_api_server_reports_the_pinned_version(plane: RunningControlPlane) -> None:
    """Clients decide by the version what they may use, so it must not be v0.0.0."""
    answer = json.loads(kubectl(plane, "version", "-o", "json"))
    assert answer["serverVersion"]["gitVersion"] == binaries.version("kubernetes")


def test_the_audit_log_names_the_user_of_each_write(plane: RunningControlPlane) -> None:
    """A test can judge who wrote what, and with which body."""
    kubectl(plane, "create", "configmap", "audited", "--from-literal=a=b")
    assert plane.audit_log is not None
    entries = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
    writes = [
        entry
        for entry in entries
        if entry["verb"] == "create" and entry["objectRef"].get("name") == "audited"
    ]
    assert [(entry["user"]["username"], entry["requestObject"]["data"]) for entry in writes] == [
        ("admin", {"a": "b"})
    ]


def test_an_api_server_that_was_killed_comes_back_with_its_data(plane: RunningControlPlane) -> None:
    """While it is gone connections are refused; afterwards what was stored is there."""
    kubectl(plane, "create", "configmap", "kept")
    plane.kill_api_server()
    host, _, port = urlsplit(plane.server).netloc.partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)
    plane.start_api_server()
    assert "kept" in kubectl(plane, "get", "configmaps", "-o", "name")


def test_a_frozen_api_server_takes_connections_and_answers_nothing_until_it_is_thawed(
    plane: RunningControlPlane,
) -> None:
    """This is what a hung server looks like to a client."""
    assert plane.bed is not None
    plane.freeze_api_server()
    try:
        assert beds.api(plane.bed).get("/readyz") == (0, b"")
    finally:
        plane.thaw_api_server()
    assert beds.api(plane.bed).ready()


def test_two_beds_run_side_by_side(plane: RunningControlPlane) -> None:
    """Each has its own API server: what is created in one is not in the other."""
    with running_control_plane("-second") as second:
        kubectl(second, "create", "configmap", "only-here")
        assert second.server != plane.server
        assert "only-here" not in kubectl(plane, "get", "configmaps", "-o", "name")


def test_a_second_up_finds_the_bed_and_down_leaves_no_process_and_no_file(name: str) -> None:
    """Twice up is one bed; after down there is nothing, and down again does no harm."""
    first = run_testbed("up", "--name", name)
    assert first.returncode == 0
    assert f'eval "$(make -s testbed-env BED={name})"' in first.stdout
    assert f"make testbed-down BED={name}" in first.stdout
    daemons = daemons_of(name)
    pids = [daemon.pid for daemon in daemons]
    again = run_testbed("up", "--name", name)
    assert "already up" in again.stdout
    assert [daemon.pid for daemon in daemons_of(name)] == pids
    refused = run_testbed("up", "--name", name, "--audit-log")
    assert refused.returncode == 1
    assert "already up with other options" in refused.stderr
    assert run_testbed("down", "--name", name).returncode == 0
    assert not any(start_time(pid) for pid in pids if pid)
    assert name not in record.names()
    assert run_testbed("down", "--name", name).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_up_that_is_told_to_stop_leaves_nothing(name: str, number: signal.Signals) -> None:
    """Ctrl-C half-way takes down what was started."""
    with start_testbed("up", "--name", name) as process:
        started = wait_for("etcd to run", lambda: [d for d in daemons_of(name) if d.pid], seconds=30)
        pids = [daemon.pid for daemon in started]
        process.send_signal(number)
        process.wait(timeout=30)
    assert name not in record.names()
    assert not any(start_time(pid) for pid in pids if pid)


def test_an_up_that_was_killed_is_cleaned_up_by_the_next_one(name: str) -> None:
    """kill -9 half-way leaves a record; the next up ends what it names and starts afresh."""
    with start_testbed("up", "--name", name) as process:
        started = wait_for("etcd to run", lambda: [d for d in daemons_of(name) if d.pid], seconds=30)
        pids = [daemon.pid for daemon in started]
        process.kill()
    assert "broken" in run_testbed("list").stdout
    assert run_testbed("up", "--name", name).returncode == 0
    assert not any(start_time(pid) for pid in pids if pid)
    bed = record.load(name)
    assert bed
    assert beds.healthy(bed)


def test_a_bed_ends_with_the_process_that_owns_it(name: str) -> None:
    """Tests that are killed leave no server running, and the next tests delete its files."""
    program = (
        "import sys, time\n"
        "from testbed import beds\n"
        "from testbed.progress import QUIET\n"
        "from testbed.record import Wanted\n"
        "beds.up(Wanted(sys.argv[1]), QUIET, owned=True)\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, name], env=_environment(), stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        daemons = daemons_of(name)
        owner.kill()
    wait_for("the daemons to end", lambda: not any(daemon.pid for daemon in daemons), seconds=10)
    beds.down_orphans(QUIET)
    assert name not in record.names()


def test_a_process_that_took_over_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    """A record names a process by pid and start time, so another process with the same pid is never hit."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "sleep.stat").write_text(f"{stranger.pid} (sleep) S {'0 ' * 18}12345 0\n")
        recorded_daemon = Daemon("sleep", ("sleep", "60"), str(tmp_path), str(tmp_path / "log"))
        recorded_daemon.kill()
        assert recorded_daemon.pid is None
        assert stranger.poll() is None
        stranger.kill()


def test_a_lock_of_whoever_starts_a_bed_is_not_held_by_its_daemons(tmp_path: Path) -> None:
    """`flock FILE make testbed-up` leaves the file locked for nobody."""
    daemon = Daemon("sleep", ("sleep", "60"), str(tmp_path), str(tmp_path / "log"))
    with (tmp_path / "lock").open("w") as lock, (tmp_path / "lock").open() as other:
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        daemon.start()
        try:
            wait_for("it to run", lambda: daemon.pid, seconds=10)
            lock.close()
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            daemon.kill()


def test_a_given_kubeconfig_is_used_as_it_is(name: str, tmp_path: Path) -> None:
    """`up` starts nothing and says so."""
    given = tmp_path / "config"
    given.write_text("{}")
    done = run_testbed("up", "--name", name, KUBECONFIG=str(given))
    assert (done.returncode, "nothing is started" in done.stdout) == (0, True)
    assert name not in record.names()


def test_kubebuilder_assets_go_before_our_own_binaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three programs that such a folder holds come from there, the others from our build."""
    for binary in ("etcd", "kube-apiserver"):
        (tmp_path / binary).touch()
    ours = binaries.path("kube-scheduler")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binaries.path("etcd") == tmp_path / "etcd"
    assert binaries.path("kube-scheduler") == ours
    with pytest.raises(TestbedError, match=r"KUBEBUILDER_ASSETS is .* which has no kubectl"):
        binaries.path("kubectl")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["up", "--name", "Not_a_name"], "--name is 'Not_a_name'"),
        (["up", "--name", "x", "--nodes", "0"], "--nodes is 0: give 1 to 64"),
        (["kubeconfig", "--name", "nowhere"], "there is no test bed 'nowhere'"),
        (["bin", "kubetcl"], "there is no binary 'kubetcl'"),
        (["build", "docker"], "there is no family 'docker'"),
    ],
)
def test_bad_input_gets_one_sentence(arguments: list[str], sentence: str) -> None:
    """The sentence names the option and its valid values; there is no traceback."""
    done = run_testbed(*arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_program_gets_the_line_that_installs_it(name: str, tmp_path: Path) -> None:
    """Without openssl the bed says which package brings it."""
    done = run_testbed("up", "--name", name, PATH=str(tmp_path))
    assert done.returncode == 1
    assert "lacks openssl" in done.stderr
    assert "apt-get install" in done.stderr


def test_the_bed_is_up_within_six_seconds_of_the_reference_machine(name: str) -> None:
    """Once the binaries are built, a control plane starts fast enough to test often."""
    begun = time.monotonic()
    beds.up(Wanted(name), QUIET)
    assert time.monotonic() - begun < 6 * slowdown()
