"""`rayfleet explain` of a cluster that really runs: its head is asked through the real kubelet."""

import json
from typing import Any

import pytest

from support.explaining import explain
from support.frozen import frozen
from support.live_cluster import LiveCluster
from support.ray_driver import ray_driver
from support.waiting import eventually

pytestmark = pytest.mark.timeout(400)  # The first test also brings up the nodes and the clusters.

WAIT = """
@ray.remote(num_gpus=8)
def too_large(): pass
kept = too_large.remote()
"""


def test_explain_shows_what_waits_in_the_head_at_this_moment(scaled: LiveCluster) -> None:
    """It shows a task that no group can run and why; no trace of the port-forward is left."""
    with ray_driver(scaled) as driver:
        driver.do(WAIT)

        def seen() -> dict[str, Any] | None:
            found: dict[str, Any] = json.loads(explain(scaled, "-o", "json"))
            assert found["queue"] == {"known": True, "message": ""}, found["queue"]
            return found if found["demand"] else None

        found = eventually("the task to be seen", seen, seconds=30, why=scaled.installation.why)
        (demand,) = found["demand"]
        assert (demand["count"], demand["resources"]["GPU"]) == (1, 8.0)
        words = "8 GPUs on one node: the largest group has 1"
        assert demand["holds"] == [{"kind": "Infeasible", "message": words}]
        assert [(group["name"], group["wanted"], group["max"]) for group in found["groups"]] == [
            ("gpu", 0, 3)
        ]
        assert words in " ".join(explain(scaled).split())
        unasked = json.loads(explain(scaled, "-o", "json", "--no-port-forward"))
        assert unasked["queue"] == {"known": False, "message": "--no-port-forward was given"}
        assert not unasked["demand"]


def test_explain_of_a_frozen_head_shows_the_status(scaled: LiveCluster) -> None:
    """It answers within seconds, in words that need no knowledge of gRPC."""
    with frozen(scaled.head()):
        said = " ".join(explain(scaled).split())
    assert "The queue cannot be seen from here: the head does not answer: pod/scaled-head" in said
    assert "6379 accepts the connection but sends nothing. The following is what the operator" in said
