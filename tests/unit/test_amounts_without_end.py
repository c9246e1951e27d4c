"""Amounts that no node has: whatever a manifest says, a pass succeeds and its figures can be written."""

from typing import Any

import pytest

from rayfleet.api.accelerators import accelerators_of_pod, whole_accelerators
from rayfleet.autoscaling.metrics.replicas import replicas_for
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kinds.raycluster.status import compute_status
from rayfleet.kinds.raycluster.validity import judge
from support.builders import NOW, cluster, group, spec, template

AMOUNTS = ["1e400", "1e999", "9" * 400, "9" * 5_000, "9" * 1_100_000, f"0.{'0' * 1_100_000}1", "-1e400"]


@pytest.mark.parametrize("amount", AMOUNTS, ids=lambda one: f"{one[:6]} of {len(one)}")
@pytest.mark.parametrize("place", ["limits", "resources", "params"])
def test_a_pass_succeeds_with_amounts_of_any_size(amount: str, place: str) -> None:
    changes: dict[str, Any] = {
        "limits": {"template": template(**{"google.com/tpu": amount, "cpu": amount, "memory": amount})},
        "resources": {"resources": {"NPU": amount, "CPU": amount}},
        "params": {"rayStartParams": {"resources": f'{{"NPU": {amount}}}'}},
    }[place]
    of = cluster(spec(group("gpu", 1, **changes), enableInTreeAutoscaling=True))
    judged = judge(of, None, None, {})
    assert place == "limits" or judged.violations
    snapshot = Snapshot(
        of,
        judged.spec,
        judged.violations,
        pods=(),
        services=(),
        now=NOW,
        withheld=judged.withheld,
    )
    decided = plan(snapshot)
    assert compute_status(snapshot, decided, ())["conditions"]


def test_accelerators_are_counted_up_to_a_bound() -> None:
    devices = {"containers": [{"resources": {"limits": {"google.com/tpu": "9" * 400}}}]}
    assert accelerators_of_pod(devices) == 10**9
    assert whole_accelerators([("NPU", float("inf")), ("GPU", 0.5), ("TPU", -1.0)]) == 10**18 + 1


def test_a_tiny_target_asks_for_a_bounded_number_of_replicas() -> None:
    assert replicas_for(1e308, f"0.{'0' * 1_100_000}1") == 2**31 - 1
