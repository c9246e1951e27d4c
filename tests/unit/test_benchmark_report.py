"""The format of a benchmark's result, and counts from the audit log."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks import table
from benchmarks.audit import AuditLog, by_verb, mutating
from benchmarks.raw_rate import owned_by
from benchmarks.result import rounded
from benchmarks.watch import Sighting

US = "system:serviceaccount:rayfleet:rayfleet"
RESULT: dict[str, Any] = {
    "quick": False,
    "machine": {"cores": 2},
    "versions": {"kubernetes": "v1"},
    "raw_pods_per_s": {"8": 190.2, "32": 246.0},
    "scenarios": {
        "grow": {
            "title": "50 clusters 0 -> 40",
            "ratio_to_raw": 0.654,
            "cpu_ms_per_pod": 1.1,
            "wall_s": 9.04,
            "calls": {"create pods": 2000},
        }
    },
}


def entry(verb: str, resource: str, user: str = US, **fields: Any) -> bytes:
    return orjson.dumps(
        {"verb": verb, "user": {"username": user}, "objectRef": {"resource": resource}, **fields}
    )


def test_the_table_shows_each_bar_with_its_verdict() -> None:
    """A missed bar is visible at a glance."""
    lines = table.verdicts(RESULT).splitlines()
    assert lines[2:] == [
        "| 50 clusters 0 -> 40 | ratio_to_raw | at least 0.7 | 0.654 | **missed** |",
        "| 50 clusters 0 -> 40 | cpu_ms_per_pod | at most 1.2 | 1.1 | holds |",
    ]


def test_the_report_says_what_it_was_measured_on() -> None:
    """Machine, versions and the raw client are in it, and a missing figure is a dash."""
    shown = table.report(RESULT)
    assert "cores 2, kubernetes v1" in shown
    assert "190 at 8, 246 at 32" in shown
    assert "| 50 clusters 0 -> 40 | 9.04 | - | 0.654 |" in shown
    assert "| 50 clusters 0 -> 40 | 2,000 create pods |" in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1200, "1,200"), (0.12345, "0.123"), (98.76, "98.8"), (1234.5, "1,234"), (None, "-")],
)
def test_a_figure_has_three_significant_digits(value: object, shown: str) -> None:
    """No digit before the point is cut."""
    assert table.number(value) == shown


def test_a_result_is_rounded_at_every_depth() -> None:
    """People read the file, too."""
    assert rounded({"a": {"b": 1.000049}, "c": "d"}) == {"a": {"b": 1.0}, "c": "d"}


def test_only_calls_of_the_operator_since_the_mark_count(tmp_path: Path) -> None:
    """Calls of others, earlier calls, and a half-written line do not."""
    log = tmp_path / "audit.log"
    log.write_bytes(entry("create", "pods") + b"\n")
    audit = AuditLog(log, US)
    audit.mark()
    with log.open("ab") as later:
        later.write(entry("patch", "rayclusters", objectRef={"resource": "r", "subresource": "status"}))
        later.write(b"\n" + entry("create", "pods", user="kwok") + b"\n" + entry("list", "pods")[:20])
    assert audit.calls() == {"patch r/status": 1}


def test_writes_of_the_lease_do_not_count(tmp_path: Path) -> None:
    """They depend on time, not on work."""
    log = tmp_path / "audit.log"
    log.write_bytes(b"\n".join([entry("patch", "leases"), entry("create", "pods"), entry("get", "pods")]))
    calls = AuditLog(log, US).calls()
    assert mutating(calls) == 1
    assert by_verb(calls) == {"patch": 1, "create": 1, "get": 1}


def test_the_raw_client_posts_what_the_operator_posted_as_a_child_of_its_own_cluster() -> None:
    """The body is the same except for name and owner."""
    owner = {"kind": "RayCluster", "name": "sample", "uid": "1", "controller": True}
    body = {
        "metadata": {"name": "x", "namespace": "n", "labels": {"a": "b"}, "ownerReferences": [owner]},
        "spec": {"containers": []},
    }
    made = owned_by(body, "2")
    assert made["spec"] == body["spec"]
    assert made["metadata"] == {
        "labels": {"a": "b", "ray.io/cluster": "raw"},
        "ownerReferences": [{**owner, "name": "raw", "uid": "2"}],
    }


def test_a_sighting_counts_from_the_request() -> None:
    """It has the first pod and the last expected one; readiness may not matter."""
    sighting = Sighting(asked=10.0, pods=2, workers=-1)
    assert not sighting.complete
    sighting.added += [10.5, 11.0, 12.0]
    assert (sighting.first, sighting.all, sighting.complete) == (0.5, 1.0, True)
