"""The identity of pods: labels and annotations may change, owner and name cannot."""

from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.names import HEAD_GROUP, NodeType
from rayfleet.kinds.raycluster.identity import identified
from rayfleet.kinds.raycluster.plan import plan
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from support.builders import cluster, group, head, parsed, snapshot, spec, worker

TWO_GROUPS = spec(group("gpu", 2), group("cpu", 1))
RELABELLED: list[dict[str, Any]] = [
    {"node_type": "aside"},
    {"node_type": ""},
    {"node_type": NodeType.HEAD},
    {"node_type": NodeType.WORKER},
    {"group": "cpu"},
    {"group": "gone"},
    {"group": ""},
    {"node_type": NodeType.WORKER, "group": "cpu", "head_epoch": None},
]


def known(of: Root, *pods: Pod) -> list[Pod]:
    """The identities of the pods, without whether they were set aside."""
    return [replace(pod, aside=False) for pod in identified(of, parsed(of.spec), pods)]


def found(of: Root, *pods: Pod) -> list[Pod]:
    return list(identified(of, parsed(of.spec), pods))


def recorded(epoch: int) -> dict[str, Any]:
    return {"headEpoch": epoch}


@pytest.mark.parametrize("changes", RELABELLED, ids=str)
def test_a_head_is_a_head_whatever_its_labels_say(changes: dict[str, Any]) -> None:
    """Its name says so, and has its epoch, too."""
    of = cluster(TWO_GROUPS, status=recorded(3))
    assert known(of, head(of, epoch=3, **changes)) == [head(of, epoch=3)]


@pytest.mark.parametrize("changes", RELABELLED, ids=str)
def test_a_worker_is_of_its_group_whatever_its_labels_say(changes: dict[str, Any]) -> None:
    """Its name says so, and has its number."""
    of = cluster(TWO_GROUPS)
    assert known(of, worker(of, 2, **changes)) == [worker(of, 2)]
    assert known(of, replace(worker(of, 2, **changes), index=7)) == [worker(of, 2)]


@pytest.mark.parametrize("epoch", [None, 0, 2, 99, 999_999_999])
def test_an_epoch_that_contradicts_the_name_is_ignored(epoch: int | None) -> None:
    """Anybody may write an annotation, and the next head's name depends on it."""
    of = cluster(status=recorded(5))
    assert known(of, head(of, epoch=4, head_epoch=epoch)) == [head(of, epoch=4)]


def test_pods_with_long_names_are_still_known_by_them() -> None:
    """Cluster and group are cut in them."""
    of = cluster(spec(group("g" * 60, 2), group("g" * 60 + "h", 1)), name="c" * 60)
    made = [worker(of, n, group_name=name) for n in (1, 2_000_000) for name in ("g" * 60, "g" * 60 + "h")]
    made.append(head(of, epoch=1))
    assert known(of, *(replace(pod, node_type="aside", group="", index=0) for pod in made)) == made


def test_pods_that_kuberay_made_are_known_by_the_names_it_gave_them() -> None:
    of = cluster(TWO_GROUPS)
    names = {
        "demo-head-x7k2p": (NodeType.HEAD, HEAD_GROUP),
        "demo-head": (NodeType.HEAD, HEAD_GROUP),
        "demo-gpu-worker-x7k2p": (NodeType.WORKER, "gpu"),
        "demo-cpu-worker-head1": (NodeType.WORKER, "cpu"),
    }
    pods = [head(of, name=name, node_type="aside", group="x", head_epoch=None) for name in names]
    seen = known(of, *pods)
    assert [(pod.node_type, pod.group) for pod in seen] == list(names.values())
    assert [pod.head_epoch for pod in seen] == [None] * 4, "an autoscaler of Ray's own runs beside it"


def test_a_head_of_any_name_is_known_by_the_status() -> None:
    of = cluster(status={"head": {"podName": "my-own"}})
    (seen,) = known(of, head(of, name="my-own", node_type="aside", head_epoch=None))
    assert seen.node_type == NodeType.HEAD


def test_a_pod_with_a_foreign_name_is_known_by_its_labels() -> None:
    of = cluster()
    pods = [head(of, name="a"), worker(of, 1, name="b"), worker(of, 1, name="demo-gpu-worker-x")]
    assert known(of, *pods) == pods


def test_a_worker_of_a_removed_group_does_not_change_its_group_by_a_label() -> None:
    of = cluster(spec(group("gpu", 1)))
    assert [pod.group for pod in known(of, worker(of, 1, group_name="old", group="gpu"))] == [""]
    assert [pod.group for pod in known(of, worker(of, 1, group_name="old"))] == ["old"]


@pytest.mark.parametrize("changes", RELABELLED, ids=str)
def test_changed_labels_call_for_no_action(changes: dict[str, Any]) -> None:
    """There is no second head, no deleted worker, and no replacement."""
    of = cluster(spec(group("gpu", 2), group("cpu", 0)), status={"headEpoch": 0})
    for place in range(3):
        pods = [head(of), worker(of, 1), worker(of, 2)]
        pods[place] = replace(pods[place], **changes)
        assert plan(snapshot(of, found(of, *pods))).actions == ()
