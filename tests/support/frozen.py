"""Stops all processes of a container for a while, as on a machine without a free CPU."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.installation import Object
from support.live_cluster import container_id

_PROC = Path("/proc")


@contextmanager
def frozen(pod: Object) -> Iterator[None]:
    """The Ray container of `pod` does nothing until the block ends."""
    identity = container_id(pod)
    stopped = _signal(identity, signal.SIGSTOP)
    assert stopped, f"no process of container {identity} runs on this machine"
    try:
        yield
    finally:
        _signal(identity, signal.SIGCONT)


def _signal(identity: str, number: signal.Signals) -> int:
    """Send the signal; return the number of processes."""
    sent = 0
    for entry in [each for each in _PROC.iterdir() if each.name.isdigit()]:
        try:
            handle = os.pidfd_open(int(entry.name))
        except ProcessLookupError:
            continue
        try:
            # Asked after the handle was taken: the pid cannot have gone to another process in between.
            if identity in (entry / "cgroup").read_text():
                signal.pidfd_send_signal(handle, number)
                sent += 1
        except (FileNotFoundError, ProcessLookupError):
            continue
        finally:
            os.close(handle)
    return sent
