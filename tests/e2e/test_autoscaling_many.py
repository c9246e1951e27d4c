"""Several clusters at once: each gets its workers and gives them back, whatever the others do."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from support.installation import Installation
from support.live_cluster import LiveCluster
from support.pod_times import pod_times
from support.ray_driver import ray_driver
from support.round_trip import GPU_WORK
from support.waiting import eventually

pytestmark = [pytest.mark.timeout(600), pytest.mark.extended]

MANIFEST = Path(__file__).with_name("scaled-cluster.yaml")
CLUSTERS = 6


def test_six_clusters_go_up_and_down_at_once(installation: Installation, tmp_path: Path) -> None:
    """Two workers each while each has two tasks, then none."""
    names = [f"many-{number}" for number in range(1, CLUSTERS + 1)]
    clusters = [LiveCluster(installation, name, (f"--filename={write(tmp_path, name)}",)) for name in names]
    for cluster in clusters:
        installation.api.create_namespace(cluster.name)
        cluster.apply()
    try:
        for cluster in clusters:
            cluster.await_whole()
        with ThreadPoolExecutor(CLUSTERS) as pool:
            assert list(pool.map(up_and_down, clusters)) == [2] * CLUSTERS
    finally:
        for cluster in clusters:
            cluster.namespace.delete_cluster(cluster.name)


def up_and_down(cluster: LiveCluster) -> int:
    """How many workers were made for two tasks that overlap."""
    why = cluster.installation.why
    with pod_times(cluster) as times, ray_driver(cluster, seconds=90) as driver:
        driver.do(GPU_WORK)
        driver.do("tasks = [on_gpu.remote(3.0) for _ in range(2)]; ray.get(tasks)", seconds=120)
        eventually("all workers to leave", lambda: not cluster.workers(), seconds=60, why=why)
        return len(times.of("created"))


def write(folder: Path, name: str) -> Path:
    """The manifest of such a cluster, whose GPUs are known to Ray only."""
    manifest = yaml.safe_load(MANIFEST.read_text())
    manifest["metadata"]["name"] = name
    (group,) = manifest["spec"]["workerGroupSpecs"]
    group["rayStartParams"]["num-gpus"] = "1"
    del group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(manifest))
    return file
