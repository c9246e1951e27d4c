"""A head runs its users' code: whatever it answers, a command ends in time, with a sentence."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest

from rayfleet.cli.jobs import dashboard, log_reader, log_stream
from rayfleet.cli.main import main
from support.dashboard_misdeeds import Misdeed
from support.job_terminal import HEAD, JOB, JOB_ID, JobTerminal

SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {}\r\n\r\n"


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobTerminal]:
    """Patience is short."""
    for module in (dashboard, log_stream):  # Both have it by its name.
        monkeypatch.setattr(module, "QUESTION_SECONDS", 0.5)
    monkeypatch.setattr(dashboard, "LOG_SECONDS", 0.5)
    monkeypatch.setattr(log_reader, "_LONGEST_CONNECT", 0.5)
    monkeypatch.setattr(log_reader, "_FIRST_WAIT", 0.1)
    made = JobTerminal(tmp_path)
    made.put_running()
    yield made
    made.close()


@pytest.mark.parametrize("misdeed", [*Misdeed])
@pytest.mark.parametrize("command", ["stop", "logs"])
def test_a_head_that_misbehaves_ends_a_command_with_a_sentence(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], misdeed: Misdeed, command: str
) -> None:
    """Unless it happens to answer what was asked."""
    terminal.dashboard.misdeed = misdeed
    start = monotonic()
    options = ["--no-wait"] if command == "stop" else []
    code = main([command, f"--kubeconfig={terminal.kubeconfig}", JOB, *options])
    assert monotonic() - start < 5
    said = capsys.readouterr()
    assert code in {0, 1}
    assert code == 0 or said.err.startswith("rayfleet: ")
    assert len(said.err) < 1000


@contextmanager
def answering(terminal: JobTerminal, *pieces: bytes, waits: float = 0.0) -> Iterator[None]:
    """In place of the head something sends these bytes to everybody, and waits between them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        terminal.api.addresses = {HEAD: ("127.0.0.1", server.getsockname()[1])}
        over = threading.Event()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    threading.Thread(target=answer, args=(caller,), daemon=True).start()

        def answer(caller: socket.socket) -> None:
            with suppress(OSError), caller:
                caller.recv(65536)
                for piece in pieces:
                    caller.sendall(piece)
                    over.wait(waits)
                over.wait(1)

        threading.Thread(target=serve, daemon=True).start()
        yield
        over.set()


STREAMS = [
    ((b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n",), "status 302"),
    ((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), "the answer is to another request"),
    ((b"x" * 20_000,), "more than 16384 bytes of headers"),
    ((b"",), "the log cannot be read: timed out"),
]


@pytest.mark.parametrize(("pieces", "words"), STREAMS, ids=[words for _, words in STREAMS])
def test_a_stream_that_is_none_is_told_in_a_sentence(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], pieces: tuple[bytes, ...], words: str
) -> None:
    """No redirect is followed: it could lead anywhere on the user's network, with the user's token."""
    terminal.end()
    with answering(terminal, *pieces):
        assert main(["logs", "-f", f"--kubeconfig={terminal.kubeconfig}", JOB]) == 0
    said = capsys.readouterr().err
    assert words in said
    assert "train: succeeded after 5 min" in said


def test_an_answer_that_drips_is_cut(terminal: JobTerminal, capsys: pytest.CaptureFixture[str]) -> None:
    """Each byte comes in time, but the whole does not."""
    drops = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"x"] * 100]
    with answering(terminal, *drops, waits=0.1):
        assert main(["stop", f"--kubeconfig={terminal.kubeconfig}", JOB]) == 1
    assert "Ray did not take the request to stop the job: " in capsys.readouterr().err


@pytest.mark.parametrize("job_id", ["..", ".", "a/b", "", "x" * 10_000])
def test_an_id_that_would_lead_elsewhere_is_not_asked_for(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], job_id: str
) -> None:
    """Others may write into a status."""
    terminal.put_running(jobId=job_id)
    assert main(["stop", f"--kubeconfig={terminal.kubeconfig}", JOB]) == 1
    assert capsys.readouterr().err.startswith("rayfleet: ")
    assert [path for _, path in terminal.dashboard.requests if JOB_ID not in path] == []


@pytest.mark.parametrize("name", ["../pods", "a/b", "A", ""])
def test_a_cluster_name_that_is_none_is_not_asked_for(
    terminal: JobTerminal, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    terminal.put_running(rayClusterName=name)
    assert main(["logs", f"--kubeconfig={terminal.kubeconfig}", JOB]) == 1
    assert "it names no cluster" in capsys.readouterr().err
