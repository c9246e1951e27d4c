"""Every command on a page is checked: here, if no cluster is needed.

`tests/integration/test_docs_on_a_cluster.py` has kubectl, helm, manifests and queries, and
`tests/e2e/test_tutorial.py` runs the tutorial.
"""

import functools
import importlib
import itertools
import json
import re
import subprocess
import textwrap
from collections.abc import Callable

import pytest

from rayfleet.cli.arguments import EXPLAIN, PLAN, parse
from rayfleet.cli.job_arguments import JOBS, LOGS, STOP, SUBMIT
from rayfleet.cli.main import main
from support.page_blocks import ROOT, Block, all_blocks, all_pages, blocks_of
from support.shown_commands import SUBSTITUTED, Command, all_commands, commands_in_prose, commands_of

BY_KUBECTL_AND_HELM = ("kubectl", "helm")
NOT_RUN = {
    "docker push": "it needs a registry",
    "ray job submit": "it needs Ray on the user's machine; the tutorial runs it in the head",
    f"{SUBSTITUTED} get nodes": "it is the kubectl that the line before prints the path of",
}
"""Commands that no test checks, by their first words, each with the reason."""
LANGUAGES = {"bash", "json", "promql", "python", "text", "yaml"}
COMMANDS = [*all_commands(), *commands_in_prose()]


def each(commands: list[Command]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("command", commands, ids=str)


def reason(command: Command) -> str | None:
    """Why no test checks the command; None if one does."""
    shown = " ".join(command.words)
    return next((why for start, why in NOT_RUN.items() if shown.startswith(start)), None)


def test_every_block_says_its_language() -> None:
    """The language decides how it is checked; `text` is output of a program, or a drawing."""
    assert [str(block) for block in all_blocks() if block.language not in LANGUAGES] == []


def test_no_page_has_code_by_indentation() -> None:
    """Such a block has no language, and no test would find it."""
    found = []
    for page in all_pages():
        text = (ROOT / page).read_text()
        for block in blocks_of(page):
            text = text.replace(block.text, "", 1)
        found += [page for _ in re.finditer(r"^(?![-*\d ]).*\n\n {4}\S", text, re.MULTILINE)]
    assert found == []


@each([command for command in COMMANDS if not reason(command) and command.program not in BY_KUBECTL_AND_HELM])
def test_a_command_has_arguments_that_its_program_accepts(command: Command) -> None:
    """Each program has its check; a command without one stands in the list of exceptions, with its reason."""
    assert command.program in CHECKS, "add a check of this program, or a reason to NOT_RUN"
    CHECKS[command.program](command.arguments)


@each([command for command in COMMANDS if command.words[:2] == ("kubectl", "rayfleet")])
def test_the_plugin_accepts_the_same_arguments(command: Command) -> None:
    _rayfleet(command.arguments[1:])


def test_every_reason_is_still_needed() -> None:
    shown = [" ".join(command.words) for command in COMMANDS]
    assert [start for start in NOT_RUN if not any(words.startswith(start) for words in shown)] == []


def _rayfleet(arguments: tuple[str, ...]) -> None:
    """A complete command parses; a mention names a command. What can be run here is run."""
    if len(arguments) < 2:
        assert {*arguments} <= {EXPLAIN, PLAN, SUBMIT, JOBS, LOGS, STOP}
        return
    given = parse(arguments, "rayfleet")
    if given.command == PLAN and (ROOT / given.filename).exists():
        assert main([*arguments[:1], *(_absolute(word) for word in arguments[1:])]) == 0


def _absolute(word: str) -> str:
    return str(ROOT / word) if (ROOT / word).is_file() else word


def _make(arguments: tuple[str, ...]) -> None:
    """The target exists, and the Makefile uses each variable that is given."""
    makefile = (ROOT / "Makefile").read_text()
    for word in arguments:
        if "=" in word:
            assert f"$({word.partition('=')[0]})" in makefile
        elif not word.startswith("-"):
            assert re.search(rf"^{word}:", makefile, re.MULTILINE), f"there is no target {word}"


def _python(arguments: tuple[str, ...]) -> None:
    dash_m, module, *rest = arguments
    assert dash_m == "-m"
    if module == "pytest":
        assert all((ROOT / word).exists() for word in rest if word.startswith("tests/"))
    else:
        importlib.import_module(f"{module}.cli")._parser().parse_args(rest)


def _pip(arguments: tuple[str, ...]) -> None:
    """Only this is installed: the command line, from a checkout."""
    assert arguments == ("install", ".[cli]")
    assert re.search(r"^cli = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def _docker(arguments: tuple[str, ...]) -> None:
    """A build of one of our files, with arguments that it has."""
    assert arguments[0] == "build"
    file = (ROOT / arguments[arguments.index("-f") + 1]).read_text()
    for flag, value in itertools.pairwise(arguments):
        if flag == "--build-arg":
            assert re.search(rf"^ARG {value.partition('=')[0]}\b", file, re.MULTILINE)


def _shell(arguments: tuple[str, ...]) -> None:
    """A builtin, or a filter of another command's output; `bash -n` reads its block, see below."""
    assert arguments


CHECKS: dict[str, Callable[[tuple[str, ...]], None]] = {
    "rayfleet": _rayfleet,
    "make": _make,
    "python": _python,
    "pip": _pip,
    "docker": _docker,
    "export": _shell,
    "eval": _shell,
    "grep": _shell,
    "sed": _shell,
}


@pytest.mark.parametrize("block", all_blocks("bash"), ids=str)
def test_bash_can_parse_every_block_of_commands(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", all_blocks("python", "json"), ids=str)
def test_a_block_of_a_program_is_a_part_of_an_example(block: Block) -> None:
    """JSON need only be JSON."""
    if block.language == "json":
        json.loads(block.text)
    else:
        assert any(block.text in example for example in _programs())


@functools.cache
def _programs() -> tuple[str, ...]:
    return tuple(textwrap.dedent(file.read_text()) for file in sorted((ROOT / "examples").rglob("*.py")))


def test_how_a_block_is_parsed() -> None:
    """Comments, continued lines, assignments, redirections and inner commands."""
    text = "A=1 make x  # why\nB=$(python -m c 'd e') \\\n  f ${B%:*}#g < h && i --j | k &\nexport L=$M"
    found = [command.words for command in commands_of(Block("page", 1, "bash", "", text))]
    assert found == [
        ("python", "-m", "c", "d e"),
        ("make", "x"),
        ("f", f"{SUBSTITUTED}#g"),
        ("i", "--j"),
        ("k",),
        ("export", f"L={SUBSTITUTED}"),
    ]
