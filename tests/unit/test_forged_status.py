"""A forged status leads to no name and no size that cannot be stored."""

from typing import Any

import pytest

from rayfleet.api.status_model import recorded_number
from rayfleet.kinds.raycluster.plan import CreatePod, plan
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kinds.raycluster.status.cuts import MOST_BYTES, size_of
from support.builders import cluster, group, head, snapshot, spec, worker

FORGED = [-1, -(2**31), 2**31 - 1, 999_999_999, 10**30, True, 1.5, "7", None, [], {}]
LONG_TIME = f"2026-01-01T00:00:00.{'0' * 200_000}Z"


def forged(value: object) -> dict[str, Any]:
    groups = [
        {"groupName": "workers", "lastIndex": value},
        {"groupName": group()["groupName"], "lastIndex": value},
    ]
    return {"headEpoch": value, "workerGroups": groups}


@pytest.mark.parametrize("value", FORGED, ids=str)
def test_a_forged_number_is_ignored(value: object) -> None:
    assert recorded_number(value) is None
    of = cluster(spec(group(replicas=2)), status=forged(value))
    seen = snapshot(of)
    decided = plan(seen)
    names = [action.name for action in decided.actions if isinstance(action, CreatePod)]
    assert names == [
        action.name
        for action in plan(snapshot(cluster(spec(group(replicas=2))))).actions
        if isinstance(action, CreatePod)
    ]
    after = compute_status(seen, decided, ())
    assert after.get("headEpoch", 0) == 0
    assert [entry["lastIndex"] for entry in after["workerGroups"]] == [0]


def test_a_number_of_ours_is_continued() -> None:
    assert [recorded_number(value) for value in (0, 7, 900_000_000)] == [0, 7, 900_000_000]


@pytest.mark.parametrize("changed", ["conditions", "stateTransitionTimes", "workerGroups", "head"])
def test_a_status_with_too_long_fields_is_never_too_large(changed: str) -> None:
    """The schema accepts the shape of each."""
    of = cluster(spec(group(replicas=1)))
    pods = [head(of), worker(of, 1)]
    status = compute_status(snapshot(of, pods), plan(snapshot(of, pods)), ())
    match changed:
        case "conditions":
            status[changed] = [{**entry, "lastTransitionTime": LONG_TIME} for entry in status[changed]]
        case "stateTransitionTimes":
            status[changed] = {"ready": LONG_TIME, "failed": LONG_TIME}
        case "head":
            status[changed] = {"podName": LONG_TIME}
        case _:
            status[changed] = [{**entry, "desired": LONG_TIME} for entry in status[changed]]
    of = cluster(spec(group(replicas=2)), status=status)
    after = compute_status(snapshot(of, [head(of)]), plan(snapshot(of, [head(of)])), ())
    assert size_of(after) <= MOST_BYTES
    again = cluster(spec(group(replicas=2)), status=after)
    assert compute_status(snapshot(again, [head(again)]), plan(snapshot(again, [head(again)])), ()) == after
