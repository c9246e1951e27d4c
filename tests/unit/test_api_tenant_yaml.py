"""YAML from tenants is read as Go programs read it, and is bounded before anything is built."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfleet.api.strict_yaml import YamlError
from rayfleet.api.tenant_yaml import DEEPEST, LONGEST, MOST_VALUES, read_map


def refusal(text: str) -> str:
    with pytest.raises(YamlError) as refused:
        read_map(text)
    return str(refused.value)


def test_a_map_is_read_as_json() -> None:
    """Keys are text."""
    text = "pip: [numpy, 'torch==2']\nenv_vars:\n  A: '1'\n  B: 2\n2: true\ntrue: null\n1.5: 0.5\n"
    assert read_map(text) == {
        "pip": ["numpy", "torch==2"],
        "env_vars": {"A": "1", "B": 2},
        "2": True,
        "true": None,
        "1.5": 0.5,
    }


@pytest.mark.parametrize("text", ["", " \n", "# nothing", "---\n", "---\n---\n", "null", "{}"])
def test_without_content_the_map_is_empty(text: str) -> None:
    assert read_map(text) == {}


def test_json_is_yaml() -> None:
    assert read_map('{"working_dir": "https://example.org/a.zip", "pip": null}') == {
        "working_dir": "https://example.org/a.zip",
        "pip": None,
    }


@pytest.mark.parametrize("word", ["2026-01-02", "2026-01-02T03:04:05Z", "2026-13-40", "1:30", "1:30.5", "08"])
def test_dates_and_clock_times_are_text(word: str) -> None:
    """As Go programs read them; PyYAML would make dates, and numbers to the base of 60."""
    assert read_map(f"at: {word}") == {"at": word}


@pytest.mark.parametrize(
    ("word", "value"), [("yes", True), ("off", False), ("010", 8), ("0x1F", 31), ("1_000", 1000)]
)
def test_words_of_old_yaml_mean_what_they_did(word: str, value: object) -> None:
    assert read_map(f"a: {word}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "it is not a map"),
        ("text", "it is not a map"),
        ("a: 1\n---\nb: 2", "it has 2 documents"),
        ("a: 1\na: 2", "a is there twice, line 1"),
        ("{a: [}", "line 1, column 6"),
        ("a: &x 1\nb: *x", "line 2: aliases (`*`) are not supported"),
        ("a: .nan", "a number that JSON cannot hold"),
        ("a: -.inf", "a number that JSON cannot hold"),
        ("a: 18446744073709551616", "a number that JSON cannot hold"),
        (f"a: {'9' * 5000}", "a number that JSON cannot hold"),
        ("a: !!binary aGk=", "a value that JSON does not have"),
        ("a: !!set {b}", "a value that JSON does not have"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("null: 1", "a key that is not text"),
        ("1: a\ntrue: b", "two of its keys are the same"),
        ("[a]: 1", "unhashable key"),
        ("a: \x00", "unacceptable character"),
    ],
)
def test_what_json_does_not_have_is_refused_in_one_line(text: str, words: str) -> None:
    said = refusal(text)
    assert words in said
    assert "\n" not in said


def test_the_message_does_not_grow_with_the_text() -> None:
    """It goes into a status."""
    assert len(refusal(f"a: !{'x' * 60_000} y")) <= 200


HOSTILE = {
    "long": "a" * (LONGEST + 1),
    "many values": f"a: [{'1,' * 30_000}]",
    "many maps": f"a: [{'{},' * 20_000}]",
    "many keys": "{" + ",".join(map(str, range(11_000))) + "}",
    "deep lists": "[" * LONGEST,
    "deep maps": "{a: " * (LONGEST // 4),
    "deep blocks": "- " * (LONGEST // 2),
    "deep keys": "? " * (LONGEST // 2),
    "aliases of aliases": "a: &a [x,x]\n"
    + "".join(f"{b}: &{b} [*{a},*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "merged maps": "a: &a {k: v}\nb: {<<: [*a,*a,*a]}\n",
    "an alias of itself": "a: &a [*a]",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_refused_at_once(text: str) -> None:
    """Not after it has been built: it would be built in every pass."""
    began = time.process_time()
    refusal(text)
    assert time.process_time() - began < 1


def test_bounds_leave_room() -> None:
    """Just within them, a map is read."""
    keys = MOST_VALUES // 2 - 1
    assert len(read_map("\n".join(f"k{n}: 1" for n in range(keys)))) == keys
    assert read_map("{a: " * DEEPEST + "}" * DEEPEST)
    assert read_map(f"a: {'x' * (LONGEST - 3)}")


@given(text=st.text(max_size=200) | st.text("ab:-?*&!|>'\"[]{}, \n#%@`~<0123.", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised."""
    try:
        assert isinstance(read_map(text), dict)
    except YamlError as refused:
        assert str(refused)  # noqa: PT017 - either may happen
