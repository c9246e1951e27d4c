"""The worker's wait for the head, as a real process."""

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from checks.pace import slowdown
from support.manifest_samples import built_worker, spec, template

NOBODY = 65534


def wait_container(ray: dict[str, Any] | None = None) -> dict[str, Any]:
    head = {"rayStartParams": {"port": "6380"}}
    containers = built_worker(spec(head=head, worker={"template": template(**(ray or {}))}))["spec"][
        "initContainers"
    ]
    container: dict[str, Any] = containers[-1]
    return container


def test_the_wait_is_small_and_runs_like_ray() -> None:
    """Its image and security context are Ray's; its size is fixed, and it mounts nothing."""
    secure = {"runAsNonRoot": True, "readOnlyRootFilesystem": True}
    container = wait_container(
        {"imagePullPolicy": "Never", "securityContext": secure, "env": [{"name": "A"}]}
    )

    script = container.pop("command")
    assert container == {
        "name": "wait-gcs-ready",
        "image": "example.org/ray:2.60.0",
        "imagePullPolicy": "Never",
        "securityContext": secure,
        "resources": {
            "requests": {"cpu": "50m", "memory": "32Mi"},
            "limits": {"cpu": "50m", "memory": "32Mi"},
        },
    }
    assert script[:2] == ["/bin/bash", "-c"]
    assert script[3:] == ["wait-gcs-ready", "demo-head-svc.team-a.svc.cluster.local.", "6380"]
    assert "$(" not in script[2].replace("$((", ""), "Kubernetes would take it for a variable"


def test_a_wait_of_the_users_own_replaces_ours() -> None:
    """Two init containers of one name would be refused."""
    own = {"name": "wait-gcs-ready", "image": "busybox"}
    group = {"template": template(pod={"initContainers": [own]})}
    names = [c["name"] for c in built_worker(spec(worker=group))["spec"]["initContainers"]]

    assert names == ["wait-gcs-ready"]


@contextmanager
def waiting(port: int, prelude: str = "") -> Iterator[subprocess.Popen[str]]:
    """The script waits for `port` of this machine, as nobody and without an environment."""
    bash, c, script, name, *_ = wait_container()["command"]
    process = subprocess.Popen(
        [bash, c, prelude + script, name, "127.0.0.1", str(port)],
        cwd="/",
        env={},
        user=NOBODY if os.geteuid() == 0 else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # End its attempt too, as the end of a container's first process does.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=5)


def until(condition: Callable[[], object], what: str, seconds: float = 10) -> float:
    """Poll `condition`; return the seconds it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"timed out after {seconds} s waiting for {what}"
        time.sleep(0.01)
    return time.monotonic() - start


def connecting(process: subprocess.Popen[str]) -> str:
    """The process id of the attempt that is waiting for an answer, if any."""
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        with suppress(FileNotFoundError):  # ended meanwhile
            if any("socket:" in str(fd.readlink()) for fd in Path(f"/proc/{child}/fd").iterdir()):
                return child
    return ""


def test_the_worker_starts_as_soon_as_the_head_listens() -> None:
    """Within the half second between two attempts."""
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        with waiting(head.getsockname()[1]) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.7)
            head.listen()
            listening = time.monotonic()
            assert process.wait(timeout=5) == 0
            assert time.monotonic() - listening < 1 * slowdown()


def test_a_worker_does_not_wait_for_a_head_that_already_listens() -> None:
    """The first attempt is at once."""
    with socket.create_server(("127.0.0.1", 0)) as head:
        start = time.monotonic()
        with waiting(head.getsockname()[1]) as process:
            assert process.wait(timeout=5) == 0
        assert time.monotonic() - start < 0.4 * slowdown()


def test_the_wait_costs_next_to_nothing() -> None:
    """It stays far below its limits of 50m and 32Mi, or a thousand waiting workers would be a load."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with waiting(closed.getsockname()[1]) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1.5)
            status = Path(f"/proc/{process.pid}/status").read_text()
            process.terminate()
            process.wait(timeout=5)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds / 1.5 < 0.020 * slowdown(), f"{seconds / 1.5 * 1000:.1f} ms of CPU a second"
    peak = int(status.split("VmHWM:")[1].split()[0])
    assert peak < 8 * 1024, f"{peak} KiB"


def test_an_attempt_at_an_address_that_never_answers_times_out_and_is_repeated() -> None:
    """The old head's node is gone, DNS still has its address: two seconds, not the kernel's two minutes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as head:
        port = head.getsockname()[1]
        # A queue of connections that nobody accepts is full: further ones get no answer.
        with socket.create_connection(("127.0.0.1", port)), waiting(port) as process:
            until(lambda: connecting(process), "a first attempt")
            first = connecting(process)
            took = until(lambda: connecting(process) not in {"", first}, "a second attempt")
            assert 1.5 < took < 4 * slowdown()
            head.accept()[0].close()
            assert process.wait(timeout=10) == 0


def test_a_worker_that_is_deleted_stops_waiting() -> None:
    """A SIGTERM ends it, though the first process of a container ignores one by default."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with waiting(closed.getsockname()[1]) as process:
            until(lambda: Path(f"/proc/{process.pid}/fd/10").exists(), "the script to open its pipe")
            process.terminate()
            assert process.wait(timeout=2) == 143


def test_a_long_wait_says_what_to_look_at() -> None:
    """It prints a line every two minutes; here the clock of the shell is set forward."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with waiting(port, prelude="SECONDS=120\n") as process:
            assert process.stdout is not None
            line = process.stdout.readline()
    assert line.startswith(f"No answer from the GCS at 127.0.0.1:{port} for 12")
    assert line.endswith("Is the head pod running, and does a NetworkPolicy let this pod reach it?\n")
