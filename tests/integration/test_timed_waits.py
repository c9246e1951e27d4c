"""The end of each wait causes a pass, on a real API server with a pretended Ray.

The waits of the operator are made short: 15 s for the minute in which a head settles, which is longer than
the last write of the status waits, and 3 s for the half minute in which a dead node may come back.
"""

from collections.abc import Iterator

import pytest

from support.cluster_api import ClusterApi, Namespace
from support.faults.loop_thread import LoopThread
from support.operator_process import OperatorProcess, grant_lease, service_account_kubeconfig
from support.pretend_ray import UNEXPECTED_TERMINATION
from support.queue_scene import HEAD, QueueScene, elastic
from support.waiting import eventually

IMPATIENT = """
import sys
from rayfleet import main
from rayfleet.kinds.raycluster.leaving import ray_nodes
from rayfleet.kinds.raycluster.sources import ray_memory

ray_memory.SETTLE_SECONDS, ray_nodes.DEAD_SECONDS = 15.0, 3.0
sys.exit(main.main())
"""


@pytest.fixture(scope="module")
def namespace(api: ClusterApi) -> Namespace:
    api.create_namespace("waits")
    grant_lease(api, "waits")
    return api.namespace("waits")


@pytest.fixture(scope="module", autouse=True)
def impatient_operator(
    api: ClusterApi, namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """One operator for all tests of this file."""
    folder = tmp_path_factory.mktemp("waits")
    names = ["--namespace", namespace.name, "--lease-namespace", namespace.name]
    kubeconfig = service_account_kubeconfig(api, folder)
    process = OperatorProcess(kubeconfig, folder, names, program=("-c", IMPATIENT))
    process.start()
    yield process
    assert process.runs, process.last_words()
    process.kill()


@pytest.fixture
def scene(namespace: Namespace, request: pytest.FixtureRequest) -> Iterator[QueueScene]:
    """Two tasks that run on two workers, of at most three."""
    loop = LoopThread("pretended Ray")
    loop.start()
    made = QueueScene(namespace, request.node.originalname.split("_")[2], loop)
    made.apply(elastic(options={"idleTimeoutSeconds": 600}))
    made.ray.submit(2)
    eventually("both tasks to run", lambda: len(made.play()) == len(made.ray.busy) == 2)
    polls = made.ray.polls
    eventually("the operator to know of both", lambda: made.ray.polls >= polls + 2)
    yield made
    made.namespace.delete_cluster(made.name)
    made.close()
    loop.stop()


def test_a_dead_node_whose_pod_lives_is_replaced_though_nothing_else_happens(scene: QueueScene) -> None:
    """Its task waits; the pod has a while to join again, and then it goes."""
    name = min(scene.ray.busy)
    node = scene.ray.nodes[name]
    node.dead, node.busy, node.death = True, False, UNEXPECTED_TERMINATION
    scene.ray.submit(1)
    eventually("its pod to go", lambda: name not in scene.play(), why=lambda: scene.stored["status"])
    eventually("both tasks to run", lambda: len(scene.play()) == len(scene.ray.busy) == 2)


def test_a_replaced_head_scales_again_though_a_worker_never_joins_it(scene: QueueScene) -> None:
    """One of the two old workers joins the new head; three tasks wait for one worker each."""
    (old,) = scene.namespace.living_pods(f"ray.io/cluster={scene.name},{HEAD}")
    stuck = {max(scene.ray.busy)}
    scene.ray.nodes.clear()
    scene.ray.session = "session_2"
    scene.ray.submit(3)
    scene.namespace.delete_pod(old["metadata"]["name"])
    eventually(
        "a third worker",
        lambda: len(scene.play(stuck=stuck)) == 3,
        seconds=30,
        why=lambda: scene.stored["status"],
    )
    condition = eventually(
        "the queue to be known",
        lambda: scene.autoscaler["queue"]["known"] and scene.namespace.condition(scene.name, "Autoscaling"),
    )
    assert condition["reason"] != "QueueUnknown"
