"""The result of a run as a file: figures, sizes, machine and versions."""

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.bed import REPOSITORY
from benchmarks.sizes import Sizes
from testbed import binaries

GIB = 1024**3
MS = 1000
LOOP = 500_000
LOOPS = 10
RESULTS = Path(__file__).with_name("results")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / GIB),
        "kernel": platform.release(),
        "loop_ms": round(loop_ms(), 1),
    }


def versions() -> dict[str, str]:
    """Versions of the operator, its libraries and the control plane."""
    packages = {name: version(name) for name in ("kopf", "aiohttp", "uvloop")}
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return {
        "rayfleet": f"{version('rayfleet')} ({described or 'no git'})",
        "python": platform.python_version(),
        **packages,
        "kubernetes": binaries.version("kubernetes"),
        "etcd": binaries.version("etcd"),
        "kwok": binaries.version("kwok"),
    }


def new(command: str, sizes: Sizes, *, quick: bool) -> dict[str, Any]:
    """A result without figures yet."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "operator": command,
        "machine": machine(),
        "versions": versions(),
        "sizes": asdict(sizes),
        "raw_pods_per_s": {},
        "scenarios": {},
    }


def save(result: dict[str, Any], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rounded(result), indent=2) + "\n")


def rounded(value: dict[str, Any]) -> dict[str, Any]:
    """Floats rounded to four decimals, because people read the file."""
    return {str(key): _rounded(each) for key, each in value.items()}


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return rounded(value)
    return round(value, 4) if isinstance(value, float) else value


def loop_ms() -> float:
    """Mean CPU time of a fixed loop: how fast this machine currently runs Python."""
    return sum(_one_loop() for _ in range(LOOPS)) / LOOPS * MS


def _one_loop() -> float:
    begun, total = time.process_time(), 0
    for number in range(LOOP):
        total += number * number % 7
    return time.process_time() - begun


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
