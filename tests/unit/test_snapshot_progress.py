"""Which changes of a pod may need an action, and which are only progress to readiness."""

import pytest
from msgspec.structs import replace

from rayfleet.kube.objects.pods import Pod
from support.builders import changed, cluster, ray_ended, worker

WAITING = worker(cluster(), 1, phase="Pending", ready=False, unready_reason="Unschedulable")


@pytest.mark.parametrize(
    "after",
    [
        replace(WAITING, node_name="n1", resource_version=2000),
        replace(WAITING, phase="Running", pod_ip="10.0.0.1"),
        changed(WAITING, phase="Running", ready=True, unready_reason=""),
        changed(WAITING, unready_reason="ImagePullBackOff"),
        replace(WAITING, restarts=1),
    ],
)
def test_the_way_to_readiness_is_progress(after: Pod) -> None:
    """It needs only a report."""
    assert after.is_progress_of(WAITING)


@pytest.mark.parametrize(
    "after",
    [
        replace(WAITING, deleting=True),
        replace(WAITING, phase="Failed"),
        replace(WAITING, end=ray_ended()),
        replace(WAITING, group="other"),
        replace(WAITING, owner=None),
        replace(WAITING, uid="another"),
        replace(WAITING, template_hash="other"),
        replace(WAITING, disruption="PreemptionByScheduler"),
    ],
)
def test_changes_that_may_need_an_action_are_not_progress(after: Pod) -> None:
    assert not after.is_progress_of(WAITING)
