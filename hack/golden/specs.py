"""Random specs of clusters of fixed size, and of clusters that follow their queue."""

from collections.abc import Mapping, Sequence
from typing import Final

from golden.chance import Chance
from golden.kubelet import Json

IMAGE: Final = "rayproject/ray:2.60.0"
TEMPLATES: Final[Mapping[str, Json]] = {
    "cpu": {"cpu": "4", "memory": "16Gi"},
    "gpu": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"},
    "large": {"cpu": "32", "memory": "512Gi", "nvidia.com/gpu": "8"},
    "tpu": {"cpu": "8", "google.com/tpu": "4"},
    "mig": {"cpu": "4", "nvidia.com/mig-1g.5gb": "2"},
    "disk": {"cpu": "2"},
    "open": {},
}
"""Limits of the Ray container, by group."""
_NOT_RESTARTED: Final = frozenset({"head", "cpu", "gpu", "tpu"})
_LABELS: Final[Mapping[str, Json]] = {
    "gpu": {"ray.io/accelerator-type": "L4"},
    "large": {"ray.io/accelerator-type": "H100", "zone": "a"},
    "cpu": {"zone": "b"},
}
_PORT: Final = {"name": "a", "port": 1}
_TPU_NODES: Final = {
    "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
    "cloud.google.com/gke-tpu-topology": "2x4",
}


def template(kind: str, image: str = IMAGE) -> Json:
    """A pod template of one of the kinds above."""
    container: Json = {"name": "ray", "image": image}
    if limits := TEMPLATES.get(kind):
        container["resources"] = {"limits": dict(limits)}
    spec: Json = {"containers": [container]}
    if kind in _NOT_RESTARTED:
        spec["restartPolicy"] = "Never"
    if kind == "tpu":
        spec["nodeSelector"] = dict(_TPU_NODES)
    if kind == "disk":
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "shared"}}]
    return {"spec": spec}


def fixed(random: Chance) -> Json:
    """A cluster whose sizes are in its spec."""
    kinds = random.sample(sorted(TEMPLATES), random.randint(0, 3))
    spec = _cluster(random, [_fixed_group(random, kind) for kind in kinds])
    if random.happens(0.15):
        spec["authOptions"] = random.choice(
            [
                {"mode": "token"},
                {"mode": "token", "secretName": "mine"},
                {"mode": "token", "enableK8sTokenAuth": True},
            ]
        )
    if random.happens(0.1):
        spec |= random.choice(
            [
                {"managedBy": "kueue.x-k8s.io/multikueue"},
                {"managedBy": "rayfleet.io/operator"},
                {"suspend": True},
                {"upgradeStrategy": {"type": "Recreate"}},
                {"gcsFaultToleranceOptions": {"redisAddress": "redis:6379"}},
                {"headServiceAnnotations": {"a": "b"}},
            ]
        )
    return spec


def elastic(random: Chance) -> Json:
    """A cluster that follows its queue."""
    kinds = random.sample(sorted(TEMPLATES), random.randint(1, 4))
    groups = [_elastic_group(random, kind, kinds) for kind in kinds]
    options: Json = {"idleTimeoutSeconds": random.choice([1, 10, 60])}
    if random.happens(0.2):
        options["upscalingMode"] = random.choice(["Default", "Aggressive", "Conservative"])
    if random.happens(0.2):
        options["target"] = "Spec"
    if random.happens(0.2):
        options["behavior"] = _behavior(random)
    if random.happens(0.15):
        options["failInfeasibleTasks"] = True
    if random.happens(0.25):
        options["metrics"] = [
            {
                "type": "Prometheus",
                "query": random.choice(["backlog", "backlog", "undefined"]),
                "targetValue": random.choice(["10", 5, "0.5"]),
                "workerGroup": random.choice(kinds),
            }
            for _ in range(random.randint(1, 2))
        ]
    if random.happens(0.05):
        options |= random.choice([{"runtime": "Sidecar"}, {"version": "v1"}, {"image": IMAGE}])
    return _cluster(random, groups) | {"enableInTreeAutoscaling": True, "autoscalerOptions": options}


def steady(random: Chance) -> Json:
    """A cluster of fixed size with nothing odd about it."""
    return _sized(random, [1, 2, 3, 5])


def large(random: Chance) -> Json:
    """A cluster of more pods than one pass creates or deletes."""
    return _sized(random, [60, 110, 210])


def _sized(random: Chance, sizes: Sequence[int]) -> Json:
    groups: list[Json] = [{"groupName": kind, "template": template(kind)} for kind in ("cpu", "tpu")]
    for group in groups:
        hosts = 2 if group["groupName"] == "tpu" else 1
        group |= {"numOfHosts": hosts, "replicas": random.choice(sizes) // hosts, "maxReplicas": 1000}
    return _cluster(random, groups[: random.randint(1, 2)])


def resized(random: Chance, spec: Json) -> Json:
    """The spec with another size, another template, or a group more or less."""
    groups: list[Json] = [dict(group) for group in spec["workerGroupSpecs"]]
    left = sorted(set(TEMPLATES) - {group["groupName"] for group in groups})
    what = random.one_of({"size": 7, "template": 1, "removed": 1, "added": 2})
    if what == "added":
        groups += [_fixed_group(random, random.choice(left))] if left else []
    elif groups:
        one = random.choice(groups)
        if what == "removed":
            groups.remove(one)
        elif what == "template":
            one["template"] = template(one["groupName"], f"rayproject/ray:2.60.{random.randint(1, 9)}")
        else:
            one |= _sizes(random) | {"suspend": random.happens(0.1)}
    return {**spec, "workerGroupSpecs": groups}


def broken(random: Chance, spec: Json) -> Json:
    """The spec with a fault in one group or in the whole."""
    groups: list[Json] = [dict(group) for group in spec["workerGroupSpecs"]]
    if not groups or random.happens(0.3):
        return {**spec, **random.choice(_WRONG)}
    group = random.choice(groups)
    group |= random.choice(_FAULTS)
    return {**spec, "workerGroupSpecs": groups}


_FAULTS: Final[Sequence[Json]] = (
    {"minReplicas": 5, "maxReplicas": 2},
    {"numOfHosts": 0},
    {"rayStartParams": {"num-cpus": "four"}},
    {"fallback": {"groups": ["nowhere"]}},
)
"""What is wrong with one group."""
_WRONG: Final[Sequence[Json]] = (
    {"headGroupSpec": {"template": {"spec": {"containers": []}}}},
    {"headGroupSpec": {"template": template("open"), "rayStartParams": {"port": "99999"}}},
    {"rayVersion": 7},
)
"""What is wrong with the whole."""


def _cluster(random: Chance, groups: list[Json]) -> Json:
    head: Json = {"template": template(random.choice(["head", "open"])), "rayStartParams": {"num-cpus": "0"}}
    if random.happens(0.1):
        head |= random.choice(
            [
                {"serviceType": "NodePort"},
                {
                    "headService": {
                        "metadata": {"name": "front"},
                        "spec": {"ports": [{"name": "a", "port": 1}]},
                    }
                },
                {"labels": {"team": "a"}},
                {"template": template("gpu")},
            ]
        )
    return {"rayVersion": "2.60.0", "headGroupSpec": head, "workerGroupSpecs": groups}


def _sizes(random: Chance) -> Json:
    lowest = random.choice([0, 0, 0, 1, 2])
    return {
        "replicas": random.choice([0, 1, 2, 3, 5]),
        "minReplicas": lowest,
        "maxReplicas": random.choice([lowest, 3, 5, 10]) or 1,
    }


def _group(random: Chance, kind: str) -> Json:
    group = {"groupName": kind, "template": template(kind), **_sizes(random)}
    if kind in _LABELS and random.happens(0.7):
        group["labels"] = dict(_LABELS[kind])
    if kind == "tpu":
        group["numOfHosts"] = 2
    elif random.happens(0.05):
        group["numOfHosts"] = 3
    if random.happens(0.06):
        group["scaleStrategy"] = {"scaleGate": [{"name": "example.com/quota-exceeded"}]}
    if random.happens(0.06):
        group["failurePolicy"] = {"joinTimeoutSeconds": random.choice([0, 20, 300])}
    return group


def _fixed_group(random: Chance, kind: str) -> Json:
    group = _group(random, kind)
    if random.happens(0.05):
        group["suspend"] = True
    if random.happens(0.1):
        group["rayStartParams"] = random.choice([{"num-cpus": "3"}, {"resources": '"{\\"a\\": 2}"'}])
    return group


def _elastic_group(random: Chance, kind: str, kinds: Sequence[str]) -> Json:
    group = _group(random, kind)
    if random.happens(0.7):
        group["replicas"] = 0
    if random.happens(0.2):
        del group["maxReplicas"]
    if random.happens(0.25):
        group["priority"] = random.choice([1, 2])
    if random.happens(0.2):
        group["idleTimeoutSeconds"] = random.choice([0, 5, 120])
    others = [name for name in kinds if name != kind]
    if others and random.happens(0.25):
        group["fallback"] = {"groups": others[:2], "afterSeconds": random.choice([0, 3, 30])}
    if random.happens(0.1):
        group["resources"] = {"cpu": "2", "licence": "1"}
        group["template"] = template("open")
    return group


def _behavior(random: Chance) -> Json:
    rules = {
        "policies": [
            {"type": random.choice(["Pods", "Percent"]), "value": random.choice([1, 50]), "periodSeconds": 60}
        ],
        "selectPolicy": random.choice(["Max", "Min", "Disabled"]),
        "stabilizationWindowSeconds": random.choice([0, 30]),
    }
    return {random.choice(["scaleUp", "scaleDown"]): rules}
