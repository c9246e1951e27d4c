"""The reaction of a reflector to everything that can happen: every fault is a row."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from rayfleet.kube.informer.machine import (
    Effect,
    Input,
    List,
    Listed,
    ListFailed,
    Opened,
    State,
    StreamBroken,
    Wait,
    Waited,
    WatchEnded,
    WatchFailed,
    start,
    step,
)
from support.informer_rows import AT_ONCE, CUT, EXPIRED, LISTS, LONG, WAITS, WATCHES, Row


@pytest.mark.parametrize("row", [*LISTS, *WATCHES, *WAITS], ids=lambda row: row.id)
def test_the_reaction_to_each_fault(row: Row) -> None:
    """Each row is a sentence about one fault."""
    assert step(row.state, row.happened) == (replace(row.state, **row.now), row.then)


def test_it_starts_with_a_list_in_pages() -> None:
    """Nothing is known before the first list, and thousands of objects come in pages."""
    assert start(optional=False) == (State(), List())


def _run(inputs: Sequence[Input]) -> tuple[State, list[Effect]]:
    state, effect = start(optional=False)
    effects = [effect]
    for happened in inputs:
        state, effect = step(state, happened)
        effects.append(effect)
    return state, effects


def test_a_server_that_expires_every_watch_is_listed_less_and_less_often() -> None:
    """Successful lists in between do not cause a hot loop."""
    again: list[Input] = [Listed(2), WatchFailed(2, AT_ONCE, EXPIRED), Waited()]
    _, effects = _run([Listed(1), WatchFailed(1, AT_ONCE, EXPIRED), *again * 6])

    assert [e.seconds for e in effects if isinstance(e, Wait)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_clean_life_has_no_gap() -> None:
    """Watches that end normally, and one that is cut, miss nothing."""
    state, _ = _run(
        [Listed(1), Opened(), WatchEnded(5, LONG), Opened(), WatchFailed(9, LONG, CUT), Waited(), Opened()]
    )

    assert (state.gaps, state.lists, state.error, state.resource_version) == (0, 1, "", 9)


def test_a_gap_is_counted_when_it_opens_and_when_it_closes() -> None:
    """Whoever has read the view in between reads it again."""
    opened, _ = _run([Listed(1), StreamBroken(5, LONG, EXPIRED)])
    closed, _ = _run([Listed(1), StreamBroken(5, LONG, EXPIRED), Listed(9)])

    assert (opened.gaps, closed.gaps) == (1, 2)


def test_a_possible_loss_is_reported_once_until_a_list_closes_it() -> None:
    """The number of attempts does not matter."""
    broken = StreamBroken(5, LONG, EXPIRED)
    tries: list[Input] = [ListFailed(CUT), Waited(), ListFailed(CUT), Waited()]

    assert _run([Listed(1), broken, *tries])[0].losses == 1
    assert _run([Listed(1), broken, *tries, Listed(9)])[0].losses == 1
    assert _run([Listed(1), broken, *tries, Listed(9), broken])[0].losses == 2
