"""An operator of some namespaces: trouble in one does not affect the others."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.builders import raycluster
from support.cluster_api import ApiError, ClusterApi, Namespace
from support.operator_process import Grants, OperatorProcess, service_account_kubeconfig
from support.proxy import TcpProxy, tcp_proxy
from support.testbed import RunningControlPlane
from support.waiting import eventually, throughout

_numbers = itertools.count(1)


class Tenants:
    """Two namespaces of one operator, whose rights in the second come and go."""

    def __init__(self, api: ClusterApi, control_plane: RunningControlPlane, folder: Path) -> None:
        number = next(_numbers)
        self.api = api
        self.grants = Grants(api, f"some-{number}")
        self.good, self.bad = (self._namespace(f"{name}-{number}") for name in ("good", "bad"))
        self.grants.give(self.good.name)
        self.grants.give(self.good.name, lease=True)
        self._proxy = tcp_proxy(control_plane.server)
        self.proxy: TcpProxy = self._proxy.__enter__()
        kubeconfig = service_account_kubeconfig(
            api, folder, f"https://127.0.0.1:{self.proxy.port}", self.grants.account
        )
        names = ["--namespace", f"{self.bad.name},{self.good.name}", "--lease-namespace", self.good.name]
        self.operator = OperatorProcess(kubeconfig, folder, names)

    def close(self) -> None:
        self.operator.kill()
        self._proxy.__exit__(None, None, None)

    def _namespace(self, name: str) -> Namespace:
        self.api.create_namespace(name)
        return self.api.namespace(name)

    def works(self, namespace: Namespace, name: str, *, seconds: float = 15) -> None:
        """Show that a new cluster gets its pods, and delete it."""
        namespace.apply(raycluster(name))
        eventually(f"the pods of {name}", lambda: pods_of(namespace, name) == 4, seconds=seconds)

    @property
    def unavailable(self) -> bool:
        """Whether a ready operator reports the second namespace alone as unavailable."""
        status, words = self.operator.health("readyz")
        first, *remarks = words.splitlines() or [""]
        metrics = self.operator.metrics()
        return (
            (status, first) == (200, "ok")
            and any(line.startswith(f"namespace {self.bad.name} is unavailable: ") for line in remarks)
            and f'rayfleet_namespace_unavailable{{scope="{self.bad.name}"}} 1.0' in metrics
            and f'rayfleet_namespace_unavailable{{scope="{self.good.name}"}} 0.0' in metrics
        )

    @property
    def available(self) -> bool:
        return self.operator.health("readyz") == (200, "ok")


def pods_of(namespace: Namespace, name: str) -> int:
    return len(namespace.living_pods(f"ray.io/cluster={name}"))


@pytest.fixture
def tenants(api: ClusterApi, control_plane: RunningControlPlane, tmp_path: Path) -> Iterator[Tenants]:
    tenants = Tenants(api, control_plane, tmp_path)
    yield tenants
    tenants.close()


def test_a_namespace_that_may_not_be_read_at_the_start_holds_up_no_other(tenants: Tenants) -> None:
    """It is reported as unavailable until it may be read; then its clusters are acted on."""
    tenants.bad.apply(raycluster("early"))
    tenants.operator.start()
    assert tenants.unavailable
    tenants.works(tenants.good, "one")
    assert pods_of(tenants.bad, "early") == 0
    tenants.grants.give(tenants.bad.name)
    eventually("the pods of early", lambda: pods_of(tenants.bad, "early") == 4, seconds=40)
    eventually("nothing to be unavailable", lambda: tenants.available)


def test_a_namespace_whose_role_is_taken_away_stops_no_other(tenants: Tenants) -> None:
    """At run time and at the next start; once the role is back, the operator catches up there."""
    tenants.grants.give(tenants.bad.name)
    tenants.operator.start()
    tenants.works(tenants.bad, "before")
    tenants.grants.take(tenants.bad.name)
    tenants.proxy.cut()
    eventually("the namespace to be unavailable", lambda: tenants.unavailable)
    tenants.works(tenants.good, "meanwhile")
    tenants.bad.apply(raycluster("unseen"))
    throughout("the operator leads", lambda: "rayfleet_leader 1.0" in tenants.operator.metrics(), seconds=2)
    tenants.operator.stop()
    tenants.operator.start()
    assert tenants.unavailable
    tenants.works(tenants.good, "restarted")
    assert pods_of(tenants.bad, "unseen") == 0
    tenants.grants.give(tenants.bad.name)
    eventually("the pods of unseen", lambda: pods_of(tenants.bad, "unseen") == 4, seconds=40)
    eventually("nothing to be unavailable", lambda: tenants.available)


def test_a_namespace_that_is_deleted_stops_no_other(tenants: Tenants) -> None:
    """Its Role goes with it at run time; at the next start it does not exist."""
    tenants.grants.give(tenants.bad.name)
    tenants.operator.start()
    tenants.works(tenants.bad, "before")
    path = f"/api/v1/namespaces/{tenants.bad.name}"
    tenants.api.call("DELETE", path)
    eventually("its Role to be gone", lambda: _may_no_more(tenants), seconds=60)
    tenants.proxy.cut()
    eventually("the namespace to be unavailable", lambda: tenants.unavailable)
    tenants.works(tenants.good, "meanwhile")
    tenants.operator.stop()
    tenants.operator.start()
    assert tenants.unavailable
    tenants.works(tenants.good, "restarted")


def _may_no_more(tenants: Tenants) -> bool:
    user = f"system:serviceaccount:rayfleet:{tenants.grants.account}"
    try:
        tenants.api.call("GET", f"/api/v1/namespaces/{tenants.bad.name}/pods", impersonate=user)
    except ApiError:
        return True
    return False


def test_a_watch_of_rayclusters_that_dies_is_seen_and_restarted(tenants: Tenants) -> None:
    """Its age is shown like those of watches of pods and Services, in each namespace."""
    tenants.grants.give(tenants.bad.name)
    tenants.operator.start()
    for kind in ("pods", "services", "rayclusters"):
        for namespace in (tenants.good, tenants.bad):
            labels = f'kind="{kind}",scope="{namespace.name}"'
            assert f"rayfleet_informer_synced{{{labels}}} 1.0" in tenants.operator.metrics()
            assert f"rayfleet_informer_age_seconds{{{labels}}}" in tenants.operator.metrics()
    tenants.proxy.refuse()
    watch = "the watch, or a list, of rayclusters"
    eventually(
        watch, lambda: f"rayclusters in namespace {tenants.good.name}" in tenants.operator.health("readyz")[1]
    )
    tenants.proxy.accept()
    tenants.works(tenants.good, "after")
    eventually("all watches to be healthy", lambda: tenants.available)
