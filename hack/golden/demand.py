"""What happens in the Ray of a cluster that follows its queue, and what its head reports."""

from typing import Any

from golden import kubelet, ray_side
from golden.chance import Chance
from golden.kubelet import Json
from golden.scene import NO_ANSWER, Scene


def work_comes(scene: Scene) -> str:
    """Tasks, placement groups, or `request_resources`."""
    random, ray = scene.random, scene.ray
    what = random.one_of({"tasks": 11, "gangs": 5, "constraints": 4})
    if what == "tasks":
        ray.tasks = [
            ray_side.demand(_amounts(scene), random.choice([1, 1, 2, 5, 40]), *_selectors(random))
            for _ in range(random.choice([1, 1, 2, 4]))
        ]
    elif what == "gangs":
        ray.gangs = [_gang(scene, f"{n:04x}") for n in range(random.choice([1, 1, 2]))]
    else:
        wanted = [ray_side.demand(_amounts(scene), random.choice([1, 3])) for _ in range(2)]
        ray.constraints = [{"resourceRequests": wanted}]
    return "work comes"


def work_ends(scene: Scene) -> str:
    scene.ray.tasks, scene.ray.gangs, scene.ray.constraints = [], [], []
    return "nothing waits"


def nodes_change(scene: Scene) -> str:
    """Nodes become busy or idle."""
    random, now = scene.random, scene.world.now
    for node in scene.ray.nodes.values():
        if node.status == ray_side.DEAD or node.group == "headgroup" or random.happens(0.4):
            continue
        node.status = random.choice((ray_side.RUNNING, ray_side.IDLE, ray_side.IDLE))
        node.free = random.choice((0.0, 0.0, 0.5))
        node.idle_since = now - random.choice((0, 8, 70, 200)) if node.status == ray_side.IDLE else None
        if random.happens(0.03):
            node.status = ray_side.DRAINING
    return "nodes change"


def a_node_dies(scene: Scene) -> str:
    """A node dies while its pod still runs."""
    living = [n for n in scene.ray.nodes.values() if n.status != ray_side.DEAD and n.group != "headgroup"]
    if not living:
        return ""
    node = scene.random.choice(living)
    node.status = ray_side.DEAD
    deaths = {"UNEXPECTED_TERMINATION": 3, "DRAIN_IDLE": 1, "DRAIN_PREEMPTED": 1}
    node.death = scene.random.one_of(deaths)
    return f"the node of {node.pod} is dead: {node.death}"


def the_head_restarts(scene: Scene) -> str:
    scene.ray.restart()
    return f"Ray is {scene.ray.session}"


def hear(scene: Scene) -> None:
    """The head's answer now, if there is a head and it is asked."""
    world, ray, random = scene.world, scene.ray, scene.random
    for pod in world.pods.values():
        labels = pod["metadata"]["labels"]
        if (
            kubelet.state_of(pod) == "ready"
            and labels.get("ray.io/cluster") == "demo"
            and random.happens(0.9)
        ):
            ray.join(pod, scene.groups, world.now, again=random.happens(0.1))
    what = random.one_of({"answer": 86, "no answer": 6, "half an answer": 3, "not asked": 5})
    if what == "no answer":
        world.around["ray"] = {"failure": dict(NO_ANSWER), "deaths": {}}
    elif what != "not asked":
        without = list(ray.nodes)[-1:] if what == "half an answer" else []
        world.around["ray"] = ray.answer(world.now, world.pods, without=without)


def _amounts(scene: Scene) -> Json:
    """The request of one task: mostly something that a group has."""
    random, groups = scene.random, scene.groups
    if groups and random.happens(0.7):
        has = ray_side.amounts_of(random.choice(groups))
        name = random.choice(sorted(set(has) - {"object_store_memory", "memory"}))
        return {name: random.choice([1.0, 1.0, has[name], has[name] / 2])}
    return random.choice(
        [
            {"CPU": random.choice([0.5, 1, 1, 4, 64])},
            {"GPU": random.choice([0.25, 1, 1, 4])},
            {"CPU": 1, "GPU": random.choice([1, 8])},
            {"CPU": 1, "memory": float(random.choice([2, 20, 600]) << 30)},
            {"TPU": 4},
            {"licence": 1},
            {"TPU-v5litepod-8-head": 1},
        ]
    )


def _selectors(random: Chance) -> list[list[Json]]:
    if random.happens(0.75):
        return []
    conditions = [
        {"labelKey": "ray.io/accelerator-type", "operator": random.choice([1, 2]), "labelValues": ["H100"]},
        {"labelKey": "zone", "operator": 1, "labelValues": random.choice([["a"], ["a", "b"]])},
    ]
    return [[random.choice(conditions)] for _ in range(random.randint(1, 2))]


def _gang(scene: Scene, name: str) -> Json:
    random = scene.random
    strategy = random.choice(("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"))
    bundle: Any = ray_side.request(_amounts(scene))
    choices = [[bundle] * random.choice([1, 2, 4])]
    if random.happens(0.2):
        choices.append([ray_side.request({"CPU": 1})])
    strategies = random.choice((0, 3))
    locality = {"localityConstraint": {"labelName": "zone", "placementStrategy": strategies}}
    return ray_side.gang(name, strategy, *choices, locality=locality if random.happens(0.3) else None)
