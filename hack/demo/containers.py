"""Finds the processes of one container on this machine, by its full id, and kills the container."""

import os
import signal
from pathlib import Path

from demo.errors import DemoError

_ID_LENGTH = 64


def kill(container_id: str, proc: Path = Path("/proc")) -> int:
    """SIGKILL the container's first process, which ends all of them; return the killed pid.

    Raises DemoError when no process of such a container runs here.
    """
    if len(container_id) != _ID_LENGTH:
        raise DemoError(f"{container_id!r} is not a full container id")
    for pid in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue  # it has ended since the folder was listed
        try:
            # Checked after taking the handle: the pid cannot have been reused in between.
            if is_first_process(proc / str(pid), container_id):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                return pid
        except (FileNotFoundError, ProcessLookupError):
            continue
        finally:
            os.close(handle)
    raise DemoError(f"no process of container {container_id} runs on this machine")


def is_first_process(process: Path, container_id: str) -> bool:
    """Whether `process`, a folder of /proc, is process 1 in the container's own numbering."""
    groups = {line.strip().rpartition("/")[2] for line in (process / "cgroup").read_text().splitlines()}
    if not {container_id, f"cri-containerd-{container_id}.scope"} & groups:
        return False
    status = (process / "status").read_text()
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) > 1 and numbers[-1] == "1"
