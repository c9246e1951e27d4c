"""One bed of two GPU nodes with the operator in a pod, and clusters on it that start side by side."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.installation import Installation, install
from support.live_cluster import LiveCluster
from support.waiting import eventually
from testbed import beds, record
from testbed.progress import QUIET
from testbed.record import Wanted

EXAMPLES = Path(__file__).parents[2] / "examples"
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """The operator, installed by helm from its image."""
    beds.down_orphans(QUIET)
    name = f"test-{os.getpid()}-e2e"
    bed = beds.up(Wanted(name, record.NODE, gpus_per_node=8), QUIET, owned=True)
    try:
        made = install(bed)
        yield made
        made.api.close()
    finally:
        beds.down(name, QUIET)


@pytest.fixture(scope="session")
def clusters(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, LiveCluster]:
    """All clusters, started side by side, and at rest, so that tests with times have the machine alone."""
    token = tmp_path_factory.mktemp("manifests") / "token-cluster.json"
    token.write_text(with_token((HERE / "scaled-cluster.yaml").read_text()))
    manifests = {
        "sample": f"--kustomize={EXAMPLES}",
        "quick": f"--filename={HERE / 'quick-cluster.yaml'}",
        "scaled": f"--filename={HERE / 'scaled-cluster.yaml'}",
        "shapes": f"--filename={HERE / 'shapes-cluster.yaml'}",
        "token": f"--filename={token}",
    }
    made = {name: LiveCluster(installation, name, (file,)) for name, file in manifests.items()}
    for cluster in made.values():
        installation.api.create_namespace(cluster.name)
        cluster.apply()
    for cluster in made.values():
        cluster.await_whole()
    return made


@pytest.fixture
def sample(clusters: dict[str, LiveCluster]) -> LiveCluster:
    """The cluster of examples/, whole."""
    clusters["sample"].await_whole()
    return clusters["sample"]


@pytest.fixture
def quick(clusters: dict[str, LiveCluster]) -> LiveCluster:
    """A cluster that tests may break; at the start of each test it is as its manifest says."""
    clusters["quick"].apply()
    clusters["quick"].await_whole()
    return clusters["quick"]


@pytest.fixture
def scaled(clusters: dict[str, LiveCluster]) -> LiveCluster:
    """A cluster of GPU workers that scales with its queue, at 0 workers."""
    return at_zero(clusters["scaled"])


@pytest.fixture
def shapes(clusters: dict[str, LiveCluster]) -> LiveCluster:
    """A cluster of four groups whose resources are logical, at 0 workers."""
    return at_zero(clusters["shapes"])


@pytest.fixture
def token(clusters: dict[str, LiveCluster]) -> LiveCluster:
    """A cluster that scales with its queue and asks for a token, at 0 workers."""
    return at_zero(clusters["token"])


def with_token(manifest: str) -> str:
    """The same cluster under the name `token`, with a Secret whose token every client must send."""
    made = yaml.safe_load(manifest)
    made["metadata"]["name"] = "token"
    made["spec"]["authOptions"] = {"mode": "token"}
    return json.dumps(made)


def at_zero(cluster: LiveCluster) -> LiveCluster:
    """The cluster as its manifest says, without workers, whatever the last test left."""
    cluster.apply()
    eventually("the last test's workers to go", lambda: not cluster.workers(), seconds=60)
    cluster.await_whole()
    return cluster
