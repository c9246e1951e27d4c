"""Run one tier of the tests within its budget: `python -m checks.tier unit`."""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Tier:
    """Where a tier's tests are, and how long they may take once everything is built."""

    folder: str
    budget: float
    """Seconds."""
    needs_root: bool = False
    processes: int = 1
    """Side by side; more than one where tests share nothing but the processor."""


TIERS = {
    "unit": Tier("tests/unit", 20, processes=2),
    "integration": Tier("tests/integration", 300),
    "faults": Tier("tests/faults", 360),
    "e2e": Tier("tests/e2e", 600, needs_root=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Run one tier of the tests within its budget.")
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument("--all", action="store_true", help="every case, without a budget")
    arguments, rest = parser.parse_known_args()
    tier = TIERS[arguments.tier]
    if tier.needs_root and os.geteuid() != 0:
        print(f"{arguments.tier} tests are left out: real nodes need root. Run them with: sudo make test-e2e")
        return 1 if os.environ.get("CI") else 0
    if tier.needs_root and (code := _build()) != 0:
        return code
    words = "no budget" if arguments.all else f"budget {tier.budget:.0f} s"
    print(f"==> {arguments.tier} tests ({words})", flush=True)
    selection = [] if arguments.all else ["-m", "not extended"]
    beside = ["-n", str(tier.processes)] if tier.processes > 1 else []
    started = time.monotonic()
    code = subprocess.run(
        [sys.executable, "-m", "pytest", tier.folder, *selection, *beside, *rest], check=False
    ).returncode
    took = time.monotonic() - started
    if code == 0 and not arguments.all and took > tier.budget:
        print(f"The {arguments.tier} tests took {took:.0f} s, over their budget of {tier.budget:.0f} s.")
        return 1
    return code


def _build() -> int:
    """Build what real nodes need, outside the budget: it is there the next time."""
    for command in (["-m", "testbed", "build"], ["-m", "images", "build"]):
        code = subprocess.run([sys.executable, *command], check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
