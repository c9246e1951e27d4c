"""kubectl, bound to one cluster."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.errors import DemoError


@dataclass(frozen=True)
class Kubectl:
    """Runs the kubectl at `program` against the cluster that `kubeconfig` names."""

    program: Path
    kubeconfig: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.program), f"--kubeconfig={self.kubeconfig}", *arguments]

    def __call__(self, *arguments: str, given: str | None = None) -> str:
        """Run it and return what it prints. Raises DemoError with its message if it fails."""
        done = subprocess.run(
            self.command(*arguments), input=given, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemoError(f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout

    def attempt(self, *arguments: str) -> str:
        """Run it and return all its output, even if it fails."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    def stream(self, *arguments: str) -> Iterator[str]:
        """Run it and yield its lines as they come. Raises DemoError at the end if it failed."""
        running = subprocess.Popen(
            self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with running as process:
            try:
                yield from process.stdout or ()
            except BaseException:
                process.kill()  # otherwise leaving the block would wait for its end
                raise
        if running.returncode:
            raise DemoError(f"`kubectl {' '.join(arguments)}` ended with status {running.returncode}")

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that `kubectl get ...` finds."""
        found: list[dict[str, Any]] = json.loads(self("get", *arguments, "--output=json"))["items"]
        return found
