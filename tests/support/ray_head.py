"""A real Ray head on 127.0.0.1 in its own process group, and drivers that give it work."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PYTHON = Path(sys.executable)
_WORKER_PORTS = range(10002, 20000)
"""Ray's workers use these: it refuses to start a head on one."""


def free_port() -> int:
    """A free port that is not one of those for Ray's workers."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _WORKER_PORTS:
            return port


class RayHead:
    """A head of 2 CPUs that an operator scales: without a monitor, and a dashboard only if asked for.

    Its Ray is that of the environment of `python`.
    """

    def __init__(
        self, folder: Path, token: str | None = None, python: Path = PYTHON, *, dashboard: bool = False
    ) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.dashboard = f"127.0.0.1:{free_port()}" if dashboard else ""
        self._folder, self.python = folder, python
        self._ray = str(python.with_name("ray"))
        self._environment = {
            **os.environ,
            "RAY_enable_autoscaler_v2": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_CLOUD_INSTANCE_ID": "c1-head",
            "RAY_NODE_TYPE_NAME": "headgroup",
            "RAY_ADDRESS": self.address,
            "RAY_gcs_pull_resource_loads_period_milliseconds": "100",
        }
        if token is not None:
            self._environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start it, on the same port after a stop; it is up once its GCS answers."""
        folder = tempfile.mkdtemp(dir=self._folder)
        options = ["--head", "--block", f"--port={self.address.rpartition(':')[2]}", "--num-cpus=2"]
        options += ["--node-ip-address=127.0.0.1", f"--temp-dir={folder}", "--object-store-memory=80000000"]
        options += ["--no-monitor", "--include-log-monitor=false"]
        options += self._dashboard_options()
        self._run([self._ray, "start", *options])

    def _dashboard_options(self) -> list[str]:
        host, _, port = self.dashboard.rpartition(":")
        if not port:
            return ["--include-dashboard=false"]
        agent = f"--dashboard-agent-listen-port={free_port()}"
        return ["--include-dashboard=true", f"--dashboard-host={host}", f"--dashboard-port={port}", agent]

    def drive(self, program: str) -> None:
        """Run a driver that stays until it is dismissed, or the head is stopped."""
        start = "import ray, time\nray.init(log_to_driver=False)\n"
        self._run([str(self.python), "-c", f"{start}{program}\ntime.sleep(300)"])

    async def status(self) -> str:
        """The output of `ray status`."""
        process = await asyncio.create_subprocess_exec(
            *(self._ray, "status", "-v", f"--address={self.address}"),
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 30)
        return said.decode()

    def dismiss(self) -> None:
        """Kill the drivers, and with them their demand."""
        self._kill(self._processes[1:])
        del self._processes[1:]

    def stop(self) -> None:
        """Kill everything that was started."""
        self._kill(self._processes)
        self._processes.clear()

    def _kill(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        for process in reversed(processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def log(self) -> str:
        """The end of the output of its processes."""
        return (self._folder / "ray.log").read_text()[-3000:]

    def _run(self, command: list[str]) -> None:
        with (self._folder / "ray.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    env=self._environment,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )


@contextmanager
def ray_head(
    token: str | None = None, python: Path = PYTHON, *, dashboard: bool = False
) -> Iterator[RayHead]:
    """A head, for as long as the block runs. Its folder is short: Ray's sockets have long names."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        head = RayHead(Path(folder), token, python, dashboard=dashboard)
        try:
            head.start()
            yield head
        finally:
            head.stop()
