"""Queries with placeholders: a tenant's names are only values, wherever the query uses them."""

import pytest

from rayfleet.autoscaling.metrics import parse_template


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("vector(1)", "vector(1)"),
        ('sum(q{ns="$namespace",c="$cluster"})', 'sum(q{ns="team-a",c="ray.v1"})'),
        ("q{c='$cluster'} + q{c=`$cluster`}", "q{c='ray.v1'} + q{c=`ray.v1`}"),
        ('q{p=~"$cluster-head-.+"}', 'q{p=~"ray[.]v1-head-.+"}'),
        ('q{p !~ "x|$cluster$"}', 'q{p !~ "x|ray[.]v1$"}'),
        ('q{a="it\\"s $cluster"}', 'q{a="it\\"s ray.v1"}'),
        ('label_replace(q, "a", "$1-${x}", "b", "(.*)$")', 'label_replace(q, "a", "$1-${x}", "b", "(.*)$")'),
        ("q # it's $cluster\n+ 1", "q # it's $cluster\n+ 1"),
        ('q{a=~ # of "x"\n "$cluster"}', 'q{a=~ # of "x"\n "ray[.]v1"}'),
    ],
)
def test_names_are_escaped_in_strings(text: str, rendered: str) -> None:
    """In a regular expression their dots match only dots; the rest of the query stays as written."""
    assert parse_template(text).render("team-a", "ray.v1") == rendered


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  ", "is empty"),
        ("queue_$cluster", "$cluster outside of a string"),
        ("q{ns=$namespace}", "$namespace outside of a string"),
        ('q{ns="$namespaces"}', "unknown placeholder $namespaces"),
        ('q{ns="$namespace}', "does not end"),
        ('q{ns="a\n$namespace"}', "does not end"),
    ],
)
def test_a_query_that_cannot_be_filled_in_safely_is_refused(text: str, words: str) -> None:
    """The message says what to do."""
    with pytest.raises(ValueError, match=words.replace("$", r"\$")):
        parse_template(text)


@pytest.mark.parametrize("name", ['a"} or vector(1e9) #', "A", "", "-a", "a\n", "a" * 254, "ä", "a_b", "a\\"])
def test_an_invalid_kubernetes_name_never_reaches_a_query(name: str) -> None:
    """The API server accepts no such name, but nothing here relies on that."""
    with pytest.raises(ValueError, match="is not a valid name of a cluster"):
        parse_template('q{c="$cluster"}').render("team-a", name)
