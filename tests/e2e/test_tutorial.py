"""The tutorial, from its first line to its last, as somebody who pastes its commands into a shell."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.page_blocks import ROOT, Block, blocks_of
from testbed import beds
from testbed.progress import QUIET

PAGE = "docs/tutorial.md"
ELSEWHERE = "On your own cluster"
"""The title of blocks that stand for those of the test bed where there is none; they need a registry."""
LOOSELY = "For example"
"""The title of a block that shows a moment: its numbers may be others."""
BED = f"test-{os.getpid()}-tutorial"

NOT_A_USERS = {"KUBECONFIG", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
"""What a test run's environment has, and a new shell has not."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TIMES = re.compile(r"\b\d+(\.\d+)? ?(s|min|h)\b|\b(\d+[hms])+\b")
_NUMBERS = re.compile(r"\d+(\.\d+)?")
_UNIQUE = re.compile(r"(?<=-head-)[a-z0-9]{5}\b|(?<=-worker-)[a-z0-9]{5}(?=-\d)")
"""The parts of pods' names that come from a uid."""


@pytest.fixture
def bed() -> Iterator[str]:
    """The name of the test bed in place of the page's, so that a bed of that name is left alone."""
    beds.down_orphans(QUIET)
    yield BED
    beds.down(BED, QUIET)


@pytest.mark.extended
@pytest.mark.timeout(600)
def test_the_tutorial_can_be_pasted_from_its_first_line_to_its_last(bed: str, tmp_path: Path) -> None:
    """Each command succeeds, and prints what the page shows below it."""
    steps = pasted(blocks_of(PAGE))
    script = ["set -euo pipefail"]
    for number, (command, _) in enumerate(steps):
        (tmp_path / f"{number}.sh").write_text(command.text.replace("BED=tutorial", f"BED={bed}") + "\n")
        script.append(f'. "{tmp_path}/{number}.sh" > "{tmp_path}/{number}.out" 2>&1 < /dev/null')
    environment = {name: value for name, value in os.environ.items() if name not in NOT_A_USERS}
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=ROOT, env=environment, check=False)
    for number, (command, shown) in enumerate(steps):
        printed = tmp_path / f"{number}.out"
        said = printed.read_text() if printed.exists() else ""
        reached = (tmp_path / f"{number + 1}.out").exists() or done.returncode == 0
        assert reached, f"{command} failed:\n{command.text}\n{said}"
        if shown:
            assert missing(shown, said) == [], f"{shown}: is not what {command} prints:\n{said}"


def test_the_comparison_of_output_with_a_page() -> None:
    """Times and parts of names may differ, other numbers only in a block that is an example."""
    printed = "\x1b[1mNAME\x1b[0m    AGE\nelastic-gpu-worker-abcde-1  2m5s\n3 of 9 after 7.2 s\n"
    text = "NAME AGE\nelastic-gpu-worker-prks4-1   12s\n...\n3 of 9 after 12.5 s"
    shown = Block("page", 1, "text", "", text)
    assert missing(shown, printed) == []
    assert missing(shown, printed.replace("3 of 9", "4 of 9")) == ["3 of 9 after 12.5 s"]
    example = Block("page", 1, "text", LOOSELY, "3 of 9\n  after 12.5 s\n\nNAME AGE")
    assert missing(example, printed.replace("3 of 9", "4 of 9")) == []
    assert missing(example, printed.replace("NAME", "NAMES")) == ["NAME AGE"]


def pasted(blocks: list[Block]) -> list[tuple[Block, Block | None]]:
    """The commands of the page in order, each with what is shown below it."""
    steps: list[tuple[Block, Block | None]] = []
    for block in blocks:
        if block.language == "bash" and block.title != ELSEWHERE:
            steps.append((block, None))
        elif block.language == "text":
            steps[-1] = (steps[-1][0], block)
    return steps


def missing(shown: Block, printed: str) -> list[str]:
    """What a page shows and was not printed: lines, or paragraphs of an example, which may be wrapped."""
    loosely = shown.title == LOOSELY
    parts = re.split(r"\n\s*\n" if loosely else r"\n(?:\.\.\.\n?)?", shown.text)
    there = comparable(printed, loosely=loosely)
    return [part for part in parts if comparable(part, loosely=loosely) not in there]


def comparable(text: str, *, loosely: bool) -> str:
    """A text on one line, without what differs from run to run."""
    plain = _TIMES.sub("T", _UNIQUE.sub("X", _COLOURS.sub("", text)))
    return " ".join((_NUMBERS.sub("N", plain) if loosely else plain).split())
