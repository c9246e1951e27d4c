"""Starts daemons that outlive us, each recorded before it runs, and ends them by that record alone.

A record is two files. `NAME.json` says how to start the process and is written first; `NAME.stat` is
written by the process itself, just before it becomes the daemon: its pid and the time it began, which
together name one process for good.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.waiting import wait_for

# $1 is the record, $2 the cgroup to join or nothing. exec keeps the pid, and so does every program that wraps
# the daemon.
_LAUNCHER = """
read -r stat <"/proc/$$/stat" && echo "$stat" >"$1" || exit 1
[ -z "$2" ] || echo $$ >"$2/cgroup.procs" || exit 1
shift 2
exec "$@"
"""
_RECORD_TAKES_S = 2.0
_STANDARD_FILES = 2  # the largest number among them
_STAT_FIELD_START_TIME = 19  # counted from the field after the program's name
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Daemon:
    """One recorded process of a bed."""

    name: str
    argv: tuple[str, ...]
    record: str  # folder of the records
    log: str
    cgroup: str = ""
    search_path: str = ""  # goes before the system's PATH

    @property
    def _stat(self) -> Path:
        return Path(self.record) / f"{self.name}.stat"

    def start(self) -> None:
        """Record the process, then start it in a session of its own."""
        Path(self.record).mkdir(parents=True, exist_ok=True)
        Path(self.log).parent.mkdir(parents=True, exist_ok=True)
        self._stat.unlink(missing_ok=True)
        (Path(self.record) / f"{self.name}.json").write_text(json.dumps(asdict(self)))
        output = (os.POSIX_SPAWN_OPEN, 1, self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", _LAUNCHER, self.name, str(self._stat), self.cgroup, *self.argv],
            self._environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                output,
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *((os.POSIX_SPAWN_CLOSE, inherited) for inherited in _inherited_files()),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGPIPE],
        )

    def _environment(self) -> Mapping[str, str]:
        # Nothing else is handed on: a proxy, say, would come between the parts of the bed.
        search_path = f"{self.search_path}:{_PATH}" if self.search_path else _PATH
        return {"PATH": search_path, "HOME": self.record, "LANG": "C.UTF-8"}

    @property
    def pid(self) -> int | None:
        """The pid of the running process; None if it never ran or is gone."""
        try:
            recorded = self._stat.read_text()
        except FileNotFoundError:
            return None
        if not recorded.endswith("\n"):
            return None
        pid = int(recorded.split(" ", 1)[0])
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # reaps it where it was our own child
        return pid if start_time(pid) == _start_time_in(recorded) else None

    @property
    def ended(self) -> bool:
        """It ran and is gone, as opposed to not having begun yet."""
        return self._begun and self.pid is None

    @property
    def _begun(self) -> bool:
        try:
            return self._stat.read_text().endswith("\n")
        except FileNotFoundError:
            return False

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to exactly this process; False if it is gone."""
        pid = self.pid
        if pid is None:
            return False
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if self.pid != pid:  # the number could have gone to another process before the handle was opened
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def kill(self) -> None:
        """End the process at once and wait until it is gone."""
        if self.signal(signal.SIGKILL):
            wait_for(f"{self.name} to end", lambda: self.pid is None, seconds=10)

    def last_words(self) -> str:
        """The end of its log, for a message that says why it does not run."""
        try:
            lines = Path(self.log).read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return "it has logged nothing"
        return f"the end of {self.log} says: {' | '.join(lines[-3:])[-600:]}"


def recorded(folder: Path) -> list[Daemon]:
    """Every process recorded in `folder`, in the order of their start."""
    records = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    daemons = []
    for file in records:
        try:
            raw = json.loads(file.read_text())
        except json.JSONDecodeError:  # cut short while it was written, and so never started
            continue
        daemons.append(Daemon(**{**raw, "argv": tuple(raw["argv"])}))
    return daemons


def kill_all(daemons: Sequence[Daemon]) -> None:
    """End the processes, those that were started last first.

    One that was recorded a moment ago may not have written its pid yet, as when its starter was killed:
    it gets the time to.
    """
    deadline = time.time() + _RECORD_TAKES_S
    for daemon in reversed(daemons):
        _await_pid(daemon, deadline)
        daemon.signal(signal.SIGKILL)
    for daemon in reversed(daemons):
        daemon.kill()


def _await_pid(daemon: Daemon, deadline: float) -> None:
    written = (Path(daemon.record) / f"{daemon.name}.json").stat().st_mtime
    while daemon.pid is None and not daemon.ended and time.time() < min(deadline, written + _RECORD_TAKES_S):
        time.sleep(0.02)


def _inherited_files() -> Iterator[int]:
    """Files that whoever started us left open: a lock, say, that a daemon would hold as long as it runs."""
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        with contextlib.suppress(OSError):  # That of the listing itself is gone by now.
            if int(entry) > _STANDARD_FILES and os.get_inheritable(int(entry)):
                yield int(entry)


def start_time(pid: int) -> str | None:
    """When the process began, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        # A killed process shows as a zombie while threads of it still end and hold its sockets open.
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if _fields(stat)[0] in "ZX" and threads <= 1 else _start_time_in(stat)


def _start_time_in(stat: str) -> str:
    return _fields(stat)[_STAT_FIELD_START_TIME]


def _fields(stat: str) -> list[str]:
    return stat.rpartition(")")[2].split()
