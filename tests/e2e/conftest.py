"""One bed of two GPU nodes with the operator in a pod, and two clusters on it that start side by side."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installation import Installation, install
from support.live_cluster import LiveCluster
from testbed import beds, record
from testbed.progress import QUIET
from testbed.record import Wanted

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = Path(__file__).parent / "quick-cluster.yaml"


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """The operator, installed by helm from its image."""
    beds.down_orphans(QUIET)
    name = f"test-{os.getpid()}-e2e"
    bed = beds.up(Wanted(name, record.NODE), QUIET, owned=True)
    try:
        made = install(bed)
        yield made
        made.api.close()
    finally:
        beds.down(name, QUIET)


@pytest.fixture(scope="session")
def clusters(installation: Installation) -> dict[str, LiveCluster]:
    """All clusters, applied at once, so that they start side by side."""
    manifests = {"sample": f"--kustomize={EXAMPLES}", "quick": f"--filename={QUICK}"}
    made = {name: LiveCluster(installation, name, (file,)) for name, file in manifests.items()}
    for cluster in made.values():
        installation.api.create_namespace(cluster.name)
        cluster.apply()
    return made


@pytest.fixture
def sample(clusters: dict[str, LiveCluster]) -> LiveCluster:
    """The cluster of examples/, whole."""
    clusters["sample"].await_whole()
    return clusters["sample"]


@pytest.fixture
def quick(clusters: dict[str, LiveCluster]) -> LiveCluster:
    """A cluster that tests may break: whole, and as its manifest says, whatever the last test left."""
    clusters["quick"].apply()
    clusters["quick"].await_whole()
    return clusters["quick"]
