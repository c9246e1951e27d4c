"""What every fault case runs in: one control plane, its recorder, a pretended kubelet and the proxies."""

import itertools
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from rayfleet.kube.client.kubeconfig import from_kubeconfig
from support.cluster_api import ApiError, ClusterApi, Namespace
from support.faults.history import History
from support.faults.kubelet import PretendKubelet
from support.faults.loop_thread import LoopThread
from support.faults.proxy import FaultProxy
from support.faults.rays import PretendRays
from support.faults.recorder import Recorder
from support.operator_process import RELEASE, grant_lease, install_chart, wait_for_owner_references
from support.testbed import RunningControlPlane, running_control_plane
from support.waiting import eventually

_RESTARTS = 4
_TOKEN = f"/api/v1/namespaces/{RELEASE}/serviceaccounts/{RELEASE}/token"


class FaultBed:
    """One bed for all cases; each case has a namespace and a proxy of its own."""

    def __init__(self, control_plane: RunningControlPlane) -> None:
        self.control_plane = control_plane
        self.api = ClusterApi(control_plane.kubeconfig)
        self.loop = LoopThread("fault bed", stay_open=1)
        self._tls = _tls(control_plane.kubeconfig)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._recorder = Recorder(control_plane.server, self._tls)
        self.kubelet = PretendKubelet(control_plane.server, self._tls)
        self.rays = PretendRays()
        self._proxies: list[FaultProxy] = []
        self.token = ""

    def start(self) -> None:
        """Install the chart and begin to record."""
        install_chart(self.control_plane.kubeconfig)
        # A server that is stopped between the two steps of establishing a CRD never takes the second one.
        eventually("the CRD to be established", self._is_established)
        self._wait_for_kind()
        eventually("RayClusters to be listed", lambda: self._is_listed("/apis/ray.io/v1/rayclusters"))
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        self.token = str(self.api.call("POST", _TOKEN, request)["status"]["token"])
        self._recorder.listeners += [self.kubelet.hear, self.rays.hear]
        self.loop.start()
        self.loop.go_on_with(self.kubelet.run())
        self.loop.go_on_with(self.rays.run())
        self.loop.go_on_with(self._recorder.run())

    def _wait_for_kind(self) -> None:
        """Wait until the new kind may own children: one that runs takes half a minute to learn of it.

        A fresh start is quicker, unless its admission happened to look before the kind was served again.
        """
        for _ in range(_RESTARTS):
            self.control_plane.restart_api_server()
            try:
                wait_for_owner_references(self.api, seconds=1.5)
            except AssertionError:
                continue
            return
        wait_for_owner_references(self.api)

    def _is_established(self) -> bool:
        definition = self.api.call(
            "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rayclusters.ray.io"
        )
        conditions = definition.get("status", {}).get("conditions") or ()
        return ("Established", "True") in {(c["type"], c["status"]) for c in conditions}

    def _is_listed(self, path: str) -> bool:
        try:
            self.api.call("GET", path)
        except ApiError as error:
            if error.status != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            return False
        return True

    def stop(self) -> None:
        self.loop.run(self.rays.stop())
        for proxy in self._proxies:
            self.loop.run(proxy.close())
        self.loop.stop()
        self.api.close()

    def namespace(self, words: str) -> Namespace:
        """A new namespace, with a client of its own: the client is not made for several threads."""
        with self._lock:
            name = f"{words}-{next(self._numbers)}"
        api = self.api.another()
        api.create_namespace(name)
        grant_lease(api, name)
        return api.namespace(name)

    def history(self, namespace: Namespace) -> History:
        """The history of the namespace."""
        assert not self._recorder.failure, self._recorder.failure
        return self._recorder.histories[namespace.name]

    def proxy(self, tag: str = "") -> FaultProxy:
        """A started proxy in front of the API server."""
        tls = _without_client_certificate(self.control_plane.kubeconfig)
        proxy = FaultProxy(self.control_plane.server, tls, tag)
        self._proxies.append(proxy)
        self.loop.run(proxy.start())
        return proxy

    def catch_up(self, namespace: Namespace) -> None:
        """Wait until the record shows what the API server holds now."""

        def same() -> bool:
            listed = {
                (pod["metadata"]["uid"], pod["metadata"]["resourceVersion"]) for pod in namespace.pods("")
            }
            recorded = self.history(namespace).objects("pods")
            return listed == {(p["metadata"]["uid"], p["metadata"]["resourceVersion"]) for p in recorded}

        eventually(f"the record of {namespace.name} to be complete", same)


def _tls(kubeconfig: Path) -> ssl.SSLContext:
    context = from_kubeconfig([kubeconfig]).ssl_context()
    assert context is not None
    return context


def _without_client_certificate(kubeconfig: Path) -> ssl.SSLContext:
    """The server's authority alone: the operator authenticates with its token."""
    authority = from_kubeconfig([kubeconfig]).ca
    if isinstance(authority, bytes):
        context = ssl.create_default_context(cadata=authority.decode("ascii"))
    else:
        context = ssl.create_default_context(cafile=authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@contextmanager
def fault_bed() -> Iterator[FaultBed]:
    """A bed of this process's own."""
    with running_control_plane("-faults") as control_plane:
        bed = FaultBed(control_plane)
        bed.start()
        try:
            yield bed
        finally:
            bed.stop()
