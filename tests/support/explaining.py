"""`rayfleet explain`, run as its user runs it."""

import os
import subprocess
import sys
from pathlib import Path

from support.live_cluster import LiveCluster

ROOT = Path(__file__).parents[2]


def explain(cluster: LiveCluster, *options: str) -> str:
    """Its output for `cluster`, with an administrator's rights. Fails unless it succeeds."""
    command = [sys.executable, "-m", "rayfleet.cli", "explain", f"raycluster/{cluster.name}", *options]
    given = [f"--namespace={cluster.name}", f"--kubeconfig={cluster.installation.api.kubeconfig}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run(
        [*command, *given], check=False, capture_output=True, text=True, env=environment, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout
