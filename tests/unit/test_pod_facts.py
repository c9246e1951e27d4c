"""Facts of a pod's status: the end and the restarts of its Ray container, and a disruption of the pod."""

from typing import Any

import pytest

from rayfleet.kinds.raycluster.pod_words import end_words
from rayfleet.kube.cache.interning import Interner
from rayfleet.kube.objects.pod_end import End
from rayfleet.kube.objects.pods import Pod, pod_from_object

AT = 1796040012.0
KILLED = {
    "exitCode": 137,
    "signal": 9,
    "reason": "OOMKilled",
    "startedAt": "2026-11-30T12:00:02Z",
    "finishedAt": "2026-11-30T12:00:12Z",
}


def read(policy: str = "Never", name: str = "p", node_type: str = "", **status: Any) -> Pod:
    """A pod of two containers; Ray's is the first."""
    labels = {"ray.io/node-type": node_type}
    metadata = {"name": name, "namespace": "ml", "uid": name, "resourceVersion": "1", "labels": labels}
    spec = {"restartPolicy": policy, "containers": [{"name": "ray"}, {"name": "logs"}]}
    return pod_from_object({"metadata": metadata, "spec": spec, "status": {"phase": "Running"} | status})


def containers(**states: dict[str, Any]) -> dict[str, Any]:
    """The statuses of containers, sorted by name as by the kubelet."""
    return {"containerStatuses": [{"name": name, **states[name]} for name in sorted(states)]}


RUNS = {"restartCount": 5, "state": {"running": {}}}
ENDED = {"restartCount": 2, "state": {"terminated": KILLED}}
ENDS = {
    "it runs": (read(**containers(ray=RUNS)), None, ""),
    "a sidecar has ended": (read(**containers(logs=ENDED, ray=RUNS)), None, ""),
    "killed for its memory": (
        read(**containers(logs=RUNS, ray=ENDED)),
        End("OOMKilled", 137, 9, AT, 10.0, for_good=True),
        "OOMKilled, exit code 137",
    ),
    "about to be started again": (
        read("Always", **containers(ray=ENDED)),
        End("OOMKilled", 137, 9, AT, 10.0),
        "OOMKilled, exit code 137",
    ),
    "an end of which little is said": (
        read(**containers(ray={"state": {"terminated": {"exitCode": 1, "reason": "Error"}}})),
        End("Error", 1, for_good=True),
        "exit code 1",
    ),
    "evicted while it ran": (
        read("Always", phase="Failed", reason="Evicted", **containers(ray=ENDED)),
        End("Evicted", 137, 9, AT, 10.0, for_good=True, of_pod=True),
        "Evicted",
    ),
    "refused by its node": (
        read(phase="Failed", reason="OutOfcpu"),
        End("OutOfcpu", for_good=True, of_pod=True),
        "OutOfcpu",
    ),
    "nobody says why": (read(phase="Failed"), End(for_good=True), ""),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_pod_ends_with_its_ray_container_unless_the_kubelet_ended_it(case: str) -> None:
    pod, end, words = ENDS[case]
    assert (pod.end, end_words(pod)) == (end, words)


def test_restarts_are_those_of_the_ray_container() -> None:
    """A sidecar that crashes does not affect Ray's work."""
    assert read(**containers(logs=RUNS, ray=ENDED)).restarts == 2
    assert read().restarts == 0


def test_the_end_of_a_submitter_next_to_a_head_is_kept_with_its_last_words() -> None:
    """It says there why it has failed; the head goes on."""
    ended = {"state": {"terminated": {"exitCode": 65, "message": "x" * 9000 + "refused"}}}
    end = read(node_type="head", **containers(ray=RUNS, **{"ray-job-submitter": ended})).submitter
    assert end is not None
    assert (end.exit_code, end.at, len(end.message), end.message[-7:]) == (65, 0.0, 512, "refused")
    assert read(node_type="head", **containers(ray=RUNS, **{"ray-job-submitter": RUNS})).submitter is None
    assert read(node_type="head", **containers(ray=RUNS)).submitter is None
    assert read(**containers(ray=RUNS, **{"ray-job-submitter": ended})).submitter is None


def test_a_disruption_counts_only_if_kubernetes_has_decided_on_it() -> None:
    preempted = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    assert read(conditions=[preempted]).disruption == "PreemptionByScheduler"
    assert read(conditions=[preempted | {"status": "False"}]).disruption == ""
    assert read().disruption == ""


def test_pods_in_the_same_state_share_its_messages() -> None:
    """Tens of thousands may wait for the same reason; each has its own end."""
    message = "0/3 nodes are available"
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    interner = Interner(Pod)
    pods = [read(name=name, phase="Pending", conditions=[dict(unplaced)]) for name in ("a", "b")]
    for pod in pods:
        interner.intern(pod)
    assert pods[0].readiness is pods[1].readiness
