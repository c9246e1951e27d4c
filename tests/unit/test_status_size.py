"""A status is never above 64 KiB, whatever is in it: lists are cut, and fields that tools poll stay."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.raycluster.status import recorded
from rayfleet.api.violation import Violation
from rayfleet.autoscaling import words
from rayfleet.autoscaling.words import cut
from rayfleet.engine.statuses import status_patch
from rayfleet.explain.noted import noted_demand
from rayfleet.kinds.raycluster.plan import Plan, plan
from rayfleet.kinds.raycluster.snapshot import Hold, Snapshot
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kinds.raycluster.status.cuts import MOST_BYTES, listed, size_of
from rayfleet.kube.objects.roots import Root
from rayfleet.ray.state import Demand, LabelConstraint, RayState, Shape
from support.builders import NOW, cluster, group, head, service, snapshot, spec
from support.queued_clusters import node, scaled, view

LONG = 'ä"<\u0000\u202e' * 3000
"""Characters that are longer in JSON than they look."""


def asks(*shapes: Shape, of: Root | None = None) -> Snapshot:
    """A cluster whose head reports tasks of these shapes that wait."""
    of = of or scaled()
    scaling = view([node(head(of))])
    state = scaling.ray.state
    assert isinstance(state, RayState)
    state = replace(state, demands=tuple(Demand(shape, 1) for shape in shapes))
    return snapshot(of, [head(of)], scaling=replace(scaling, ray=replace(scaling.ray, state=state)))


def status_of(seen: Snapshot, decided: Plan | None = None) -> dict[str, Any]:
    return compute_status(seen, decided or plan(seen), ())


def shape(number: int, name: str = "") -> Shape:
    return Shape(((f"{name}{number}", 1.0),), ())


def test_the_demand_of_a_head_is_reported_with_long_names_and_lists_cut() -> None:
    """It has names of 15,000 characters, 100 of them in one shape, and many alternatives of labels."""
    label = LabelConstraint(LONG, tuple(f"{LONG}{n}" for n in range(100)), False)
    asked = Shape(tuple((f"{n}{LONG}", 1e300) for n in range(100)), ((label,) * 20,) * 20)
    said = words.shape(asked)
    assert len(said) < 50_000
    assert "92 more" in said
    assert said.isprintable()
    status = status_of(asks(asked._replace(selectors=())))
    (entry,) = status["autoscaler"]["unserved"]
    assert all(len(name) <= words.LONGEST_NAME for name in entry["resources"])
    assert len(entry["resources"]) == words.MOST_NAMES
    assert "92 more resources" in entry["message"]


def test_the_command_line_recognizes_names_that_were_cut() -> None:
    """The current demand and the status have the same cut names."""
    seen = asks(Shape(tuple((f"{n}{LONG}", 1.0) for n in range(20)), ()))
    decision = plan(seen).decision
    assert decision is not None
    (noted,) = noted_demand(recorded(status_of(seen)))
    assert noted.is_about(decision.answers[0])


def test_a_status_is_below_64_kib_whatever_a_head_reports() -> None:
    """Its lists are cut as much as needed, with a count, and the result is stable."""
    seen = asks(*(shape(n, LONG) for n in range(40)))
    wide = replace(seen.services[0], ports=tuple((f"{'p' * 55}{n}", "30000") for n in range(2000)))
    seen = replace(seen, services=(wide,), held={"gpu": Hold(NOW + 60, LONG, NOW)})
    status = status_of(seen)
    assert size_of(status) <= MOST_BYTES
    assert "ports" in status["leftOut"]
    again = replace(seen, cluster=replace(seen.cluster, status=status), now=NOW + 60)
    assert status_patch(status, status_of(again)) == {}


def test_fields_that_tools_poll_stay_when_a_status_is_cut() -> None:
    """These are sizes of every group, the head, the state, and each condition with its reason."""
    groups = [group(f"g{n:02}" + "x" * 60, replicas=0, maxReplicas=5) for n in range(100)]
    of = cluster(spec(*groups, enableInTreeAutoscaling=True))
    seen = asks(*(shape(n, LONG) for n in range(40)), of=of)
    wide = replace(seen.services[0], ports=tuple((f"{'p' * 55}{n}", "30000") for n in range(2000)))
    status = status_of(replace(seen, services=(wide,)))
    assert "leftOut" in status
    assert size_of(status) <= MOST_BYTES
    assert [(entry["groupName"], entry["desired"]) for entry in status["workerGroups"]] == [
        (entry["groupName"], 0) for entry in groups
    ]
    assert status["head"]["podName"] == head(of).name
    assert {"desiredCPU", "desiredWorkerReplicas", "observedGeneration"} <= status.keys()
    assert {"HeadPodReady", "Ready", "Valid", "Autoscaling"} <= {c["type"] for c in status["conditions"]}


@pytest.mark.parametrize("field", ["state", "other"])
@pytest.mark.parametrize("length", [10, 1000, 50_000])
@pytest.mark.parametrize("conditions", [0, 1, 10])
def test_fields_of_others_are_cut_last(field: str, length: int, conditions: int) -> None:
    """Others may write into a status; ours is still written, and it fits."""
    junk = "<" * length
    condition = {"type": "x", "status": "True", "reason": junk, "message": junk, "lastTransitionTime": "t"}
    status: dict[str, Any] = {
        field: junk,
        "head": {"podIP": "10.0.0.1", "other": junk},
        "stateTransitionTimes": {junk: "t"},
        "conditions": [{**condition, "type": f"x{n}"} for n in range(conditions)],
    }
    of = cluster(status=status)
    after = status_of(replace(snapshot(of, [head(of)]), services=(service(of),)))
    assert size_of(after) <= MOST_BYTES
    assert {entry["type"] for entry in after["conditions"]} >= {"HeadPodReady", "Ready"}
    again = replace(snapshot(replace(of, status=after), [head(of)]), services=(service(of),))
    assert status_patch(after, status_of(again)) == {}, "one write, and no second one for the cut parts"
    if len(junk) == 10:
        assert "leftOut" not in after
        assert len(after["conditions"]) >= len(status["conditions"])


def test_a_small_status_is_left_as_it_is() -> None:
    """One that was cut no longer says so once it fits."""
    of = cluster(spec(), status={"leftOut": "3 ports"})
    status = status_of(snapshot(of, [head(of)]))
    assert "leftOut" not in status
    assert status_patch(of.status, status)["leftOut"] is None


def test_a_text_that_is_cut_says_by_how_much() -> None:
    """A cut list has the number of omitted entries."""
    assert cut("x" * 2000, 100) == "x" * 71 + "… and 1929 more characters"
    parts = [f"spec.f{n}: is wrong" for n in range(100)]
    said = listed(parts, 200)
    assert len(said) <= 200
    kept = said.count("is wrong")
    assert said.endswith(f"is wrong; and {100 - kept} more")
    assert len(listed([LONG] * 3, 1024)) <= 1024
    assert listed(["a", "b"], 10) == "a; b"


def test_the_status_of_an_invalid_spec_names_as_many_faults_as_fit_and_counts_the_rest() -> None:
    """Everybody who watches gets its message."""
    bad = tuple(Violation(f"spec.f{n}", "x" * 200) for n in range(50))
    seen = snapshot(cluster(), spec=None, violations=bad)
    message = next(c["message"] for c in status_of(seen)["conditions"] if c["type"] == "Valid")
    assert len(message) <= 1024
    assert message.endswith("; and 46 more")
