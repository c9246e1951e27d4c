"""What happens between two passes: to pods, to the object, around the cluster, and in its Ray."""

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from golden import kubelet
from golden.chance import Chance
from golden.demand import a_node_dies, nodes_change, the_head_restarts, work_comes, work_ends
from golden.kubelet import Json, timestamp
from golden.scene import FAILURES, Scene

Happening: TypeAlias = Callable[[Scene], str]
"""Does something, and returns a description for the reader of a draw."""
_FINALIZER: Final = "ray.io/gcs-ft-redis-cleanup-finalizer"


def pods_move(scene: Scene) -> str:
    """Each pod advances on its own: a step nearer to being ready, or to being gone."""
    moved = 0
    for name, pod in list(scene.world.pods.items()):
        if "deletionTimestamp" in pod["metadata"]:
            if scene.random.happens(0.7):
                del scene.world.pods[name]
                moved += 1
        elif kubelet.state_of(pod) == "pending" and scene.random.happens(0.9):
            scene.world.becomes(name, scene.random.choice((*kubelet.STARTS, *[kubelet.ready] * 8)))
            moved += 1
    return f"{moved} pods move"


def a_pod_has_trouble(scene: Scene) -> str:
    name = _some_pod(scene)
    if not name:
        return ""
    trouble = scene.random.choice(kubelet.TROUBLES)
    scene.world.becomes(name, trouble)
    return f"{name}: {trouble.__name__}"


def every_worker_fails(scene: Scene) -> str:
    """As if the image could not start."""
    trouble = scene.random.choice((kubelet.failed_at_once, kubelet.unscheduled, kubelet.without_secret))
    for name, pod in scene.world.pods.items():
        if pod["metadata"]["labels"].get("ray.io/node-type") == "worker":
            scene.world.becomes(name, trouble)
    return f"every worker: {trouble.__name__}"


def every_worker_ends(scene: Scene) -> str:
    """Soon after its start, as with a wrong command."""
    trouble = scene.random.choice((kubelet.failed_at_once, kubelet.failed_at_once, kubelet.crashed))
    for name, pod in scene.world.pods.items():
        if "-worker-" in name and kubelet.state_of(pod) != "ended":
            scene.world.becomes(name, trouble)
    return f"every worker: {trouble.__name__}"


def a_pod_goes(scene: Scene) -> str:
    """Somebody deletes it, or it disappears."""
    name = _some_pod(scene)
    if name and scene.random.happens(0.5):
        scene.world.stop(name)
    elif name:
        del scene.world.pods[name]
    return f"{name} goes" if name else ""


def a_pod_is_changed(scene: Scene) -> str:
    """Its labels, its annotations or its owner change."""
    name = _some_pod(scene)
    if not name:
        return ""
    pod = scene.world.pods[name]
    metadata = pod["metadata"]
    metadata["labels"] = dict(metadata["labels"])
    what = scene.random.choice(("node-type", "group", "cluster", "annotations", "owner", "host"))
    if what in {"node-type", "group", "cluster"}:
        metadata["labels"][f"ray.io/{what}"] = "aside"
    elif what == "annotations":
        metadata["annotations"] = {}
    elif what == "owner":
        metadata.pop("ownerReferences", None)
    else:
        metadata["labels"].pop("ray.io/worker-group-replica-name", None)
    scene.world.changed(pod)
    return f"{name}: other {what}"


def a_pod_of_others_is_there(scene: Scene) -> str:
    """From an earlier cluster of the same name, or created by KubeRay."""
    own = scene.world.cluster["metadata"]["uid"]
    name, group, uid = scene.random.choice(
        [
            ("demo-head-old", "headgroup", "uid-earlier"),
            ("demo-head", "headgroup", own),
            ("demo-head-x1abc", "headgroup", None),
            ("demo-gpu-worker-x1abc", "gpu", own),
        ]
    )
    kind = "head" if group == "headgroup" else "worker"
    labels = {
        "ray.io/cluster": "demo",
        "ray.io/node-type": kind,
        "ray.io/group": group,
        "ray.io/identifier": f"demo-{kind}",
        "ray.io/is-ray-node": "yes",
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
    }
    owner = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "demo", "uid": uid, "controller": True}
    metadata = {"name": name, "labels": labels, "ownerReferences": [owner] if uid else []}
    scene.world.add({"metadata": metadata, "spec": {"containers": [{"name": "ray"}]}, "status": {}})
    scene.world.becomes(name, kubelet.ready)
    return f"{name} of {uid}"


def no_pod_is_taken(scene: Scene) -> str:
    """For a while, because a quota is used up or the API server is overloaded."""
    scene.world.refusal = None if scene.world.refusal else scene.random.choice(FAILURES)
    return f"creates of pods: {scene.world.refusal}"


def the_user_changes_the_spec(scene: Scene) -> str:
    spec = scene.other_spec()
    scene.world.set_spec(spec)
    return f"another spec: {json.dumps(spec)}"


def the_user_names_workers(scene: Scene) -> str:
    """In workersToDelete."""
    spec, names = scene.world.cluster["spec"], sorted(scene.world.pods)
    groups = scene.groups
    if not (groups and names):
        return ""
    named = scene.random.sample(names, min(2, len(names)))
    place = scene.random.randrange(len(groups))
    groups[place] = {**groups[place], "scaleStrategy": {"workersToDelete": named}}
    scene.world.set_spec({**spec, "workerGroupSpecs": groups})
    return f"workersToDelete {named}"


def the_object_is_changed(scene: Scene) -> str:
    """Somebody who may write it changes labels, annotations or the status."""
    world, random = scene.world, scene.random
    metadata = world.cluster["metadata"]
    what = random.choice(("status wiped", "status filled", "status forged", "label", "annotation", "deleted"))
    if what == "status wiped":
        world.set_status({})
    elif what == "status filled":
        world.set_status({**world.cluster["status"], "others": ["x" * 300] * random.choice([200, 250])})
    elif what == "status forged":
        forged = {"headEpoch": random.choice([3, -1, "x"]), "head": random.choice([{}, {"podName": "../x"}])}
        world.set_status({**world.cluster["status"], **forged})
    elif what == "label":
        key = random.choice(("kueue.x-k8s.io/queue-name", "ray.io/scheduler-name"))
        metadata["labels"] = {**metadata.get("labels", {}), key: "a"}
    elif what == "annotation":
        key = random.choice(("ray.io/ft-enabled", "ray.io/disable-provisioned-head-restart"))
        metadata["annotations"] = {**metadata.get("annotations", {}), key: "true"}
    elif random.happens(0.3):
        metadata["deletionTimestamp"] = timestamp(world.now)
        metadata["finalizers"] = random.choice([[], [_FINALIZER], [_FINALIZER, "orphan"]])
    world.changed(world.cluster)
    return what


def the_surroundings_change(scene: Scene) -> str:
    """Another operator, ceilings, others' GPUs, or metrics change."""
    world, random = scene.world, scene.random
    what = random.choice(("operator", "ceilings", "ceilings", "gpus", "gpus", "readings", "readings"))
    if what == "operator":
        there = "otherOperator" in world.around
        world.around.pop("otherOperator", None)
        world.around |= {} if there else {"otherOperator": "ray-system/ray-operator-leader"}
    elif what == "ceilings":
        names = ("max-gpus", "max-gpus-per-cluster", "max-new-gpus-per-minute")
        ceilings = {f"rayfleet.io/{random.choice(names)}": random.choice(["0", "2", "8", "64", "eight"])}
        world.around["namespaceAnnotations"] = random.choice([{}, ceilings])
    elif what == "gpus":
        counts = ("own", "namespace", "total", "new_in_namespace", "new_in_total")
        world.around["gpus"] = {name: random.choice([0, 0, 2, 6]) for name in counts}
        world.around["gpus"] |= random.choice([{}, {}, {"complete": False}, {"renewed_in": 12.0}])
    else:
        world.around["readings"] = {"backlog": _reading(random, world.now)}
    return f"{what}: {world.around}"


def _reading(random: Chance, now: float) -> Json:
    value = {"value": random.choice([0.0, 7.0, 42.0]), "taken_at": now - random.choice([0, 30, 90])}
    failing = {"failing_since": now - 20, "error": "the query 'backlog' is not answered"}
    return random.choice([value, value, value | failing, failing])


def time_passes(scene: Scene) -> str:
    seconds = scene.random.choice((2, 5, 11, 11, 25, 35, 75, 130, 250, 310, 850, 1000))
    scene.world.wait(seconds)
    return f"{seconds} s"


def the_clock_is_set(scene: Scene) -> str:
    seconds = scene.random.choice((-900.0, 900.0))
    scene.world.now += seconds
    return f"the clock jumps by {seconds} s"


ALWAYS: Final[Mapping[Happening, int]] = {
    pods_move: 6,
    a_pod_has_trouble: 5,
    every_worker_fails: 2,
    a_pod_goes: 3,
    a_pod_is_changed: 2,
    a_pod_of_others_is_there: 1,
    no_pod_is_taken: 2,
    the_user_changes_the_spec: 4,
    the_user_names_workers: 1,
    the_object_is_changed: 1,
    the_surroundings_change: 2,
    time_passes: 6,
    the_clock_is_set: 1,
}
ELASTIC: Final[Mapping[Happening, int]] = {
    **ALWAYS,
    a_pod_has_trouble: 3,
    the_user_changes_the_spec: 2,
    time_passes: 10,
    work_comes: 8,
    work_ends: 7,
    nodes_change: 12,
    a_node_dies: 4,
    the_head_restarts: 1,
}
FOLLOWING: Final[Mapping[Happening, int]] = {
    pods_move: 4,
    time_passes: 10,
    work_comes: 6,
    work_ends: 6,
    nodes_change: 10,
    a_node_dies: 2,
}
"""Only changes of the queue."""
FAILING: Final[Mapping[Happening, int]] = {
    every_worker_ends: 6,
    no_pod_is_taken: 1,
    time_passes: 3,
}
RESIZED: Final[Mapping[Happening, int]] = {the_user_changes_the_spec: 6, a_pod_goes: 1, time_passes: 3}
_USUAL: Final = 0.75
"""How often pods advance on their own between two passes, whatever else happens."""


def happen(scene: Scene, table: Mapping[Happening, int]) -> list[str]:
    """One to four events, chosen by weight."""
    drawn = [scene.random.one_of(table) for _ in range(scene.random.randint(1, 4))]
    scene.world.wait(scene.random.choice((0, 0, 1, 3)))
    usual = [pods_move] if scene.random.happens(_USUAL) else []
    return [words for happening in (*usual, *drawn) if (words := happening(scene))]


def _some_pod(scene: Scene) -> str:
    """A random pod; mostly a worker if the cluster follows its queue, which it cannot see without a head."""
    names = sorted(scene.world.pods)
    workers = [name for name in names if "-worker-" in name]
    if workers and scene.elastic and scene.random.happens(0.8):
        names = workers
    return scene.random.choice(names) if names else ""
