"""How long a head gets no requests after it let some time out."""

import itertools

import pytest

from rayfleet.kinds.raycluster.sources.silence import FIRST_SECONDS, LONGEST_SECONDS, SilentHeads
from rayfleet.kube.objects.keys import Key

KEY, OTHER = Key("RayCluster", "ml", "demo"), Key("RayCluster", "ml", "other")
TIMEOUT_S = 2.0


class Scene:
    """A head that lets each request time out, `rest` seconds after it may be sent."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.heads = SilentHeads(lambda: self.now)

    def pause(self) -> float:
        """The pause after one more timeout."""
        self.now += TIMEOUT_S
        self.heads.timed_out(KEY)
        began = self.now
        while self.heads.is_silent(KEY):
            self.now += 0.5
        return self.now - began


def test_a_head_that_was_slow_once_is_asked_again_soon() -> None:
    """Its idle workers leave within seconds; other heads are not affected."""
    scene = Scene()
    scene.heads.timed_out(KEY)
    assert scene.heads.is_silent(KEY)
    assert not scene.heads.is_silent(OTHER)
    scene.now += FIRST_SECONDS
    assert not scene.heads.is_silent(KEY)


def test_requests_that_time_out_together_are_one_timeout() -> None:
    """A plan drains all idle nodes at once."""
    scene = Scene()
    for _ in range(6):
        scene.heads.timed_out(KEY)
    scene.now += FIRST_SECONDS
    assert not scene.heads.is_silent(KEY)


def test_the_pause_for_a_head_that_hangs_grows() -> None:
    """It grows up to a minute, of which the head takes a place for two seconds."""
    scene = Scene()
    pauses = [scene.pause() for _ in range(8)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("answers_for", [0.0, 10.0, LONGEST_SECONDS - TIMEOUT_S - 0.5])
def test_answers_in_between_do_not_reset_the_pause(answers_for: float) -> None:
    """Otherwise a head could answer every second request to take a place all the time."""
    scene = Scene()
    held = 0.0
    for _ in range(50):
        scene.pause()
        scene.now += answers_for
        held += TIMEOUT_S
    assert held / (scene.now - 1000.0) < 0.04


def test_a_minute_without_a_timeout_starts_over() -> None:
    """The head has recovered."""
    scene = Scene()
    for _ in itertools.repeat(None, 4):
        scene.pause()
    scene.now += LONGEST_SECONDS
    assert scene.pause() == FIRST_SECONDS


def test_a_cluster_that_is_forgotten_starts_over() -> None:
    """Another cluster of its name may be fast."""
    scene = Scene()
    scene.pause()
    scene.pause()
    scene.heads.forget(KEY)
    assert not scene.heads.is_silent(KEY)
    assert scene.pause() == FIRST_SECONDS
