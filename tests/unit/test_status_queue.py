"""When a lost or recovered queue is reported at once, and when that may wait."""

from typing import Any

from msgspec.structs import replace

from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.status import compute_status, is_urgent
from rayfleet.ray.state import RayView
from support.builders import NOW, head, service, snapshot
from support.queued_clusters import node, scaled, view

OF = scaled()
KNOWN = view([node(head(OF))]).ray


def status_at(now: float, ray: RayView, before: dict[str, Any] | None = None) -> dict[str, Any]:
    of = replace(OF, status=before or {})
    seen = snapshot(of, [head(of)], scaling=replace(view([]), ray=ray), now=now)
    return compute_status(replace(seen, services=(service(of),)), plan(seen), ())


def lost(since: float | None) -> RayView:
    return replace(KNOWN, trouble="the head does not answer", since=since)


def test_a_queue_that_is_lost_is_reported_at_once() -> None:
    """Nothing shrinks without it, and the user should know why."""
    known = status_at(NOW, KNOWN)
    assert known["state"] == "ready"
    assert is_urgent(known, status_at(NOW + 60, lost(NOW + 60), known))


def test_an_operator_that_has_not_polled_yet_is_not_reported() -> None:
    """A thousand heads would be reported twice at each start."""
    known = status_at(NOW, KNOWN)
    assert not is_urgent(known, status_at(NOW + 60, lost(None), known))


def test_a_queue_that_is_known_again_after_long_is_reported_at_once() -> None:
    """Idle workers go from then on."""
    gone = status_at(NOW, lost(NOW), status_at(NOW, KNOWN))
    assert is_urgent(gone, status_at(NOW + 10, KNOWN, gone))


def test_a_head_that_comes_and_goes_each_second_is_reported_twice_in_ten_seconds_at_most() -> None:
    """Its loss is reported at once; the rest waits for the next write, ten seconds later."""
    stored, written_at = status_at(NOW, KNOWN), [NOW]
    for second in range(1, 61):
        now = NOW + second
        after = status_at(now, lost(now) if second % 2 else KNOWN, stored)
        if is_urgent(stored, after) or (after != stored and now - written_at[-1] >= 10):
            stored = after
            written_at.append(now)
    assert all(later - first >= 10 for first, later in zip(written_at[1:], written_at[3:], strict=False))
    assert len(written_at) > 2
