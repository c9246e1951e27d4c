"""The memory of a process affects its next pass."""

from typing import Any

import pytest

from rayfleet.engine.kind import Look
from rayfleet.engine.outcome import NotTried, Outcome, Refused, Succeeded, Unanswered
from rayfleet.errors import GcsFailure, GcsTrouble
from rayfleet.kinds.raycluster.memory import ClusterMemory
from rayfleet.kinds.raycluster.plan import Cause, DeletePod, DrainNode, Plan
from rayfleet.kinds.raycluster.sources.ray_memory import KEEP_SECONDS
from rayfleet.kube.objects.pods import Pod
from support.builders import NOW, cluster, group, snapshot, spec
from support.passes import KEY, PODS, Passes, passes
from support.wire import fails

DRAIN = DrainNode("gpu", "demo-gpu-worker-0001", b"n", "idle")
ENDED = {
    "phase": "Failed",
    "containerStatuses": [
        {
            "name": "ray",
            "state": {
                "terminated": {
                    "exitCode": 1,
                    "startedAt": "2027-01-15T07:59:50Z",
                    "finishedAt": "2027-01-15T07:59:52Z",
                }
            },
        }
    ],
}


def ended(bed: Passes, index: int) -> Pod:
    """A worker that has run for two seconds."""
    pod: dict[str, Any] = bed.worker(index, cached=False) | {"status": ENDED}
    bed.show(pod)
    (found,) = [one for one in bed.pods.owned_by(KEY) if one.name == pod["metadata"]["name"]]
    assert found.end is not None
    assert found.end.ran == 2.0
    return found


async def test_the_next_pass_knows_that_a_group_failed_twice() -> None:
    async with passes() as bed:
        bed.stored(spec(group(replicas=1)))
        memory = ClusterMemory()
        first = ended(bed, 1)
        bed.view.learn(bed.cluster, memory, Look(NOW, 0.0))
        assert bed.view.snapshot(bed.cluster, memory, None, NOW).settling == {}
        gone = DeletePod("worker", "gpu", first.name, first.uid, Cause.ENDED, "ended")
        memory.endings.learn([Succeeded(gone)], [first], NOW)
        second = ended(bed, 2)
        bed.view.learn(bed.cluster, memory, Look(NOW + 5, 5.0))
        settling = bed.view.snapshot(bed.cluster, memory, None, NOW + 5).settling["gpu"]
        assert (settling.rounds, settling.until) == (2, NOW + 25)
        assert second.uid in settling.ended


async def test_a_clock_that_is_set_back_does_not_prolong_a_hold() -> None:
    """It is set back by 20 minutes, which the group would otherwise wait."""
    async with passes() as bed:
        bed.stored(spec(group(replicas=1)))
        bed.head()
        bed.api.answers["POST", PODS] = fails(403, "Forbidden", "exceeded quota: gpus")
        await bed.reconciler.reconcile(KEY)
        tried = bed.api.writes.count(f"POST {PODS}")
        assert tried == 1
        bed.now -= 1200
        bed.api.answers["POST", PODS] = fails(403, "Forbidden", "exceeded quota: gpus")
        await bed.reconciler.reconcile(KEY)
        assert bed.api.writes.count(f"POST {PODS}") == tried + 1


@pytest.mark.parametrize(
    ("outcome", "waits"),
    [
        pytest.param(Succeeded(DRAIN), [], id="drained"),
        pytest.param(Refused(DRAIN, "it is busy"), [KEEP_SECONDS], id="refused"),
        pytest.param(Unanswered(DRAIN, GcsFailure(GcsTrouble.DEADLINE, "")), [KEEP_SECONDS], id="unanswered"),
        pytest.param(NotTried(DRAIN), [KEEP_SECONDS], id="not asked"),
    ],
)
async def test_an_idle_node_that_ray_has_not_drained_is_looked_at_again_soon(
    outcome: Outcome, waits: list[float]
) -> None:
    """Nothing else may happen in its cluster to cause a pass."""
    async with passes() as bed:
        seen, moment = snapshot(cluster()), Look(NOW, 0.0)
        assert bed.kind.waits(ClusterMemory(), seen, Plan(), (outcome,), moment) == waits
