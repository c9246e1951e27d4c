"""The operator under test: its own process group, and what the kernel reports about it."""

import asyncio
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 15.0
KIB = 1024
WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""The kernel ends the operator together with the harness, however that ends."""


class OperatorProcess:
    """A command and whatever it starts. `{kubeconfig}` in it is replaced; KUBECONFIG has the same value."""

    def __init__(self, command: str, kubeconfig: Path, folder: Path, log: Path) -> None:
        self.argv = [word.replace("{kubeconfig}", str(kubeconfig)) for word in shlex.split(command)]
        self._log = log
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*WITH_US, *self.argv],
                cwd=folder,
                env=environment | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(folder / "operator")},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def check(self) -> None:
        """Raise RuntimeError with its last output if it has ended."""
        code = self._process.poll()
        if code is not None:
            raise RuntimeError(f"the operator ended with {code}: {self.last_words()}")

    def last_words(self) -> str:
        return " | ".join(self._log.read_text(errors="replace").splitlines()[-5:])

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL if it does not end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self._process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()

    def cpu(self) -> float:
        """Seconds of CPU so far, of it and of what it has started."""
        return sum(cpu_of(pid) for pid in self._members())

    def rss(self) -> int:
        """Bytes of resident memory now."""
        return sum(_status(pid, "VmRSS") for pid in self._members())

    def forget_peak(self) -> None:
        """Reset `peak_rss`."""
        for pid in self._members():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_rss(self) -> int:
        """Bytes of the largest resident memory since `forget_peak`."""
        return sum(_status(pid, "VmHWM") for pid in self._members())

    def _members(self) -> list[int]:
        return [pid for pid in _pids() if _session(pid) == self.pid]


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, with those of its children that have ended; 0 if it is gone."""
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def own_cpu() -> float:
    """Seconds of CPU of this process and its threads."""
    return time.process_time()


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _session(pid: int) -> int:
    try:
        return int(_stat(pid)[3])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on, its state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * KIB for line in lines if line.startswith(f"{name}:")), 0)
