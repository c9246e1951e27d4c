"""A start parameter is parsed as bash parses it; here bash itself is the reference."""

import os
import subprocess
import time
from contextlib import suppress

import pytest

from rayfleet.api.shell_word import LONGEST, environment_of, word

ENV = {"N": "4", "EMPTY": "", "TWO": "4 5", "QUOTED": '"4"', "SECRET": None}
GIVEN = [
    "4",
    " 4\n",
    "'4'",
    '"4"',
    "\"'4'\"",
    "'\"4\"'",
    "4'5'\"6\"",
    "\\4",
    "'a b'",
    '"a b"',
    "a\\ b",
    "$N",
    "${N}",
    '"$N"',
    '"${N}"5',
    "'$N'",
    "\\$N",
    '"\\$N"',
    "$EMPTY",
    '"$TWO"',
    "$QUOTED",
    "4$",
    "a$.b",
    "a:b,c=d@e%f+g",
    "~",
    "a#b",
    "a*b",
    "[1]",
    "'[1]'",
    "{}",
    "{a}",
    "'{\"a\": 1}'",
    '"{\\"a\\": 1}"',
    '\'{"a": 1,"b": 2}\'',
    '{"a":1}',
    "",
    "''",
    '""',
    '"a\\nb"',
    '"a\\\\b"',
    "::",
    "!x",
]
SEVERAL = [
    "4 5",
    "4; true",
    "4 && true",
    "4|cat",
    "4>x",
    "(4)",
    "a\nb",
    "{1,2}",
    "{1..3}",
    '{"a":1,"b":2}',
    '{"a": 1}',
    "$TWO",
    "'4",
    '"4',
    "4\\",
    "a$N b",
    "x" * (LONGEST + 1),
]
UNKNOWN = [
    "$M",
    "${M}",
    '"$M"',
    "$(nproc)",
    "`nproc`",
    '"`nproc`"',
    "$((1+1))",
    "${N:-5}",
    "$SECRET",
    "$(SECRET)",
    "$1",
    "$'4'",
    "$?",
    "$(nproc --all)",
]


def test_a_value_is_the_word_that_bash_makes_of_it() -> None:
    """Quotes, backslashes and variables of the container, each way round."""
    script = 'for value; do eval "set -- --x=$value"; printf "%s\\0%s\\0" "$#" "$1"; done'
    known = {name: value for name, value in ENV.items() if value is not None}
    said = subprocess.run(
        ["/bin/bash", "-c", script, "bash", *(text.strip() for text in GIVEN)],
        env={**known, "PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    assert said[0:-1:2] == ["1"] * len(GIVEN)
    assert ["--x=" + str(word(text, ENV)) for text in GIVEN] == said[1::2]


@pytest.mark.parametrize("text", SEVERAL, ids=lambda text: text[:20])
def test_a_value_that_is_not_one_word_gives_none(text: str) -> None:
    """The reason is a phrase for its user."""
    with pytest.raises(ValueError, match=r"^(has|is) [a-z0-9 ,]+$"):
        word(text, ENV)


@pytest.mark.parametrize("text", UNKNOWN)
def test_a_value_that_only_the_container_knows_is_not_guessed(text: str) -> None:
    assert word(text, ENV) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("$(N)", "4"), ("$(QUOTED)", "4"), ("'$(N)'", "4"), ("$$N", "4")]
)
def test_kubernetes_replaces_its_own_variables_first(text: str, expected: str) -> None:
    """It does so in quotes, too, and bash parses the result."""
    assert word(text, ENV) == expected


def test_a_variable_with_references_or_from_elsewhere_is_not_known() -> None:
    """The last one of a name counts; anything but a list has no variables."""
    container = {
        "env": [
            {"name": "A", "value": "1"},
            {"name": "A", "value": "2"},
            {"name": "B", "value": "$(A)"},
            {"name": "C", "valueFrom": {"fieldRef": {}}},
            {"name": 5},
            None,
        ]
    }
    assert environment_of(container) == {"A": "2", "B": None, "C": None}
    assert environment_of({"env": "x"}) == {}


@pytest.mark.parametrize("part", ["${", "$(", "`", "{,", '"$(', "'\"", "\\", "$A", "{..", "a ", "$$("])
def test_a_long_value_is_parsed_in_linear_time(part: str) -> None:
    """A tenant writes it: the cost must not grow with the square of its length."""
    text = part * (LONGEST // len(part))
    began = time.process_time()
    for _ in range(5):
        with suppress(ValueError):
            word(text, ENV)
    assert time.process_time() - began < 1


def test_a_value_that_long_variables_would_blow_up_is_not_expanded() -> None:
    """A variable of a megabyte that is named thousands of times would fill the memory."""
    long = {"L": "x" * 400_000, "M": "$L" * 8000}
    for text in ("$L" * 8000, "'a'" + "$L" * 8000, "$(L)" * 4000, "$(M)"):
        assert word(text, long) is None


@pytest.mark.parametrize("name", ["SHLVL", "RANDOM", "PPID", "LINENO", "BASH_VERSION", "PWD", "IFS"])
def test_variables_that_bash_sets_itself_are_not_those_of_the_container(name: str) -> None:
    """Otherwise plans would use a value that Ray never gets."""
    env = environment_of({"env": [{"name": name, "value": "77"}]})
    assert word(f"${name}", env) is None
    bash = ["/bin/bash", "-c", f'echo "${name}"']
    assert subprocess.run(bash, env={name: "77"}, capture_output=True, check=True).stdout != b"77\n"
