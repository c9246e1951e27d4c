"""Run one tier of the tests, and compare its time with its budget: `python -m checks.tier unit`.

`make bench` judges speed. A budget is about how long people wait for their tests: a tier over its budget says
so, and passes. In CI a tier that takes more than twice its budget fails, because it will not get faster by
itself; the time that counts there is the one it would have taken on the reference machine.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from checks.pace import slowdown

CI_SLACK = 2.0
"""In CI a tier fails beyond this multiple of its budget."""


@dataclass(frozen=True)
class Tier:
    """Where a tier's tests are, and how long they may take once everything is built."""

    folder: str
    budget: float
    """Seconds."""
    needs_root: bool = False
    processes: int = 1
    """How many run in parallel; more than one if tests share nothing but the CPU."""


TIERS = {
    "unit": Tier("tests/unit", 40, processes=2),
    "integration": Tier("tests/integration", 540),
    "faults": Tier("tests/faults", 600),
    "e2e": Tier("tests/e2e", 1200, needs_root=True),
}


@dataclass(frozen=True)
class Verdict:
    """The judgement of a tier's time; the message is empty if there is nothing to report."""

    words: str
    passes: bool


def judge(name: str, took: float, slower: float, *, ci: bool) -> Verdict:
    """Judge a tier's time in seconds, on a machine `slower` times slower than the reference."""
    budget = TIERS[name].budget
    if took <= budget:
        return Verdict("", passes=True)
    words = f"The {name} tests took {took:.0f} s, over their budget of {budget:.0f} s"
    if slower > 1:
        words += f", on a machine currently {slower:.1f} times slower than the reference"
    return Verdict(f"{words}.", passes=not ci or took <= CI_SLACK * budget * slower)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run one tier of the tests, and report how long it took.")
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument("--all", action="store_true", help="every case, without a budget")
    arguments, rest = parser.parse_known_args()
    tier = TIERS[arguments.tier]
    if tier.needs_root and os.geteuid() != 0:
        print(f"{arguments.tier} tests are skipped: real nodes need root. Run them with: sudo make test-e2e")
        return 1 if os.environ.get("CI") else 0
    if tier.needs_root and (code := _build()) != 0:
        return code
    budget = "no budget" if arguments.all else f"budget {tier.budget:.0f} s"
    print(f"==> {arguments.tier} tests ({budget})", flush=True)
    slower = slowdown()
    selection = [] if arguments.all else ["-m", "not extended"]
    beside = ["-n", str(tier.processes)] if tier.processes > 1 else []
    started = time.monotonic()
    code = subprocess.run(
        [sys.executable, "-m", "pytest", tier.folder, *selection, *beside, *rest], check=False
    ).returncode
    took = time.monotonic() - started
    if code or arguments.all:
        return code
    verdict = judge(arguments.tier, took, max(slower, slowdown()), ci="CI" in os.environ)
    if verdict.words:
        print(verdict.words)
    return 0 if verdict.passes else 1


def _build() -> int:
    """Build what real nodes need, outside the budget, because later runs reuse it."""
    for command in (["-m", "testbed", "build"], ["-m", "images", "build"]):
        code = subprocess.run([sys.executable, *command], check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
