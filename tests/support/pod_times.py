"""When each pod of a cluster was first seen in each state, by this machine's clock."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.live_cluster import LiveCluster

_LINE = (
    "{.object.metadata.name} created={.object.metadata.uid} scheduled={.object.spec.nodeName}"
    " running={.object.status.containerStatuses[0].state.running.startedAt}"
    " terminating={.object.metadata.deletionTimestamp} gone={.type}{'\\n'}"
)


@dataclass
class PodTimes:
    """Unix seconds by pod name and state: created, scheduled, running, terminating, gone."""

    seen: dict[str, dict[str, float]] = field(default_factory=dict)

    def note(self, line: str, now: float) -> None:
        """Take in one line of the watch."""
        name, *states = line.split()
        times = self.seen.setdefault(name, {})
        for state in states:
            key, _, value = state.partition("=")
            if value and (key != "gone" or value == "DELETED"):
                times.setdefault(key, now)

    def of(self, state: str, *, after: float = 0.0) -> list[tuple[float, str]]:
        """The pods that entered `state` after that time: when, and which."""
        found = [(times[state], name) for name, times in list(self.seen.items()) if state in times]
        return sorted(each for each in found if each[0] > after)


@contextmanager
def pod_times(cluster: LiveCluster) -> Iterator[PodTimes]:
    """Watches the workers of `cluster` until the block ends."""
    what = ("get", "pods", f"--namespace={cluster.name}", "--selector=ray.io/node-type=worker")
    watch = ("--watch", "--output-watch-events", f"--output=jsonpath={_LINE}")
    command = cluster.installation.kubectl.command(*what, *watch)
    times = PodTimes()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def read() -> None:
            for line in process.stdout or ():
                times.note(line, time.time())

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield times
        finally:
            process.terminate()
            reader.join(5)
