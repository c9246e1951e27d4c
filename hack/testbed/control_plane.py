"""etcd, the API server, the controller manager and the scheduler of one bed."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import binaries, paths
from testbed.api import Api
from testbed.errors import TestbedError
from testbed.pki import Pki
from testbed.processes import Daemon, recorded
from testbed.record import Bed
from testbed.waiting import wait_for

API_SERVER = "kube-apiserver"
_START_S = 60.0
_CLIENTS = {
    # The users to whom Kubernetes itself binds these roles; the audit log then tells the programs apart.
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
}


@dataclass(frozen=True)
class Place:
    """Where the control plane runs: on the machine's loopback, or in one of the bed's network namespaces."""

    address: str
    api_port: int
    etcd_ports: tuple[int, int]
    enter: tuple[str, ...] = ()  # the command that runs another one there
    wrap: tuple[str, ...] = ()  # the command around each daemon, such as one that ends it with its parent

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.api_port}"


def on_loopback(bed: Bed) -> Place:
    # The kernel ends an owned bed's daemons together with the owner, however that ends.
    wrap = ("setpriv", "--pdeathsig", "KILL") if bed.owner else ()
    return Place("127.0.0.1", bed.port(0), (bed.port(1), bed.port(2)), wrap=wrap)


def pki_of(bed: Bed) -> Pki:
    return Pki(bed.folder / "pki")


class ControlPlane:
    """Starts the four programs and waits until they are ready."""

    def __init__(self, bed: Bed, place: Place) -> None:
        self._bed = bed
        self._place = place
        self._pki = pki_of(bed)

    def make_credentials(self) -> None:
        """Create the certificates and the administrator's kubeconfig."""
        pki, place = self._pki, self._place
        pki.make_authority()
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        names += ["kubernetes.default.svc.cluster.local", "localhost"]
        addresses = dict.fromkeys(["127.0.0.1", place.address, self._bed.subnets.kubernetes_service])
        pki.sign(
            API_SERVER,
            user=API_SERVER,
            names=[f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses],
        )
        pki.sign("admin", user="admin", groups=["system:masters"])
        pki.kubeconfig("admin", place.server, self._bed.kubeconfig)
        for name, (user, groups) in _CLIENTS.items():
            pki.sign(name, user=user, groups=groups)
            pki.kubeconfig(name, place.server, self._kubeconfig(name))

    def start_storage(self) -> None:
        self._start("etcd", self._etcd_flags())

    def start_api_server(self) -> None:
        """Start the API server; it retries until etcd answers."""
        self._start(API_SERVER, self._api_server_flags())

    def start_controllers(self) -> None:
        rates = ["--leader-elect=false", "--secure-port=0", "--kube-api-qps=300", "--kube-api-burst=500"]
        self._start(
            "kube-controller-manager",
            [
                f"--kubeconfig={self._kubeconfig('kube-controller-manager')}",
                f"--service-account-private-key-file={self._pki.key('sa')}",
                f"--root-ca-file={self._pki.ca}",
                "--use-service-account-credentials",
                *rates,
            ],
        )
        self._start("kube-scheduler", [f"--kubeconfig={self._kubeconfig('kube-scheduler')}", *rates])

    def wait_ready(self) -> None:
        """Wait until the API server answers."""
        self._wait("the API server to be ready", self.api().ready)

    def wait_usable(self) -> None:
        """Wait until pods can be created: each needs a service account from the controller manager."""
        path = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait("the default service account", lambda: self.api().exists(path))

    def api(self) -> Api:
        return Api(self._place.server, self._pki)

    def _kubeconfig(self, name: str) -> Path:
        return self._pki.folder / f"{name}.kubeconfig"

    def _start(self, binary: str, flags: Sequence[str]) -> None:
        Daemon(
            name=binary,
            argv=(*self._place.wrap, *self._place.enter, str(binaries.path(binary)), *flags),
            record=str(self._bed.folder / "processes"),
            log=str(self._bed.folder / "logs" / f"{binary}.log"),
        ).start()

    def _wait(self, what: str, check: Callable[[], bool]) -> None:
        def checked() -> bool:
            for daemon in recorded(self._bed.folder / "processes"):
                if daemon.ended:
                    raise TestbedError(f"{daemon.name} ended while waiting for {what}; {daemon.last_words()}")
            return check()

        wait_for(what, checked, seconds=_START_S)

    def _etcd_flags(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._place.etcd_ports)
        return [
            f"--data-dir={self._bed.folder / 'etcd'}",
            "--unsafe-no-fsync",
            "--quota-backend-bytes=8589934592",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        ]

    def _api_server_flags(self) -> list[str]:
        pki, place = self._pki, self._place
        flags = [
            f"--etcd-servers=http://127.0.0.1:{place.etcd_ports[0]}",
            f"--bind-address={place.address}",
            f"--advertise-address={place.address}",
            f"--secure-port={place.api_port}",
            f"--tls-cert-file={pki.certificate(API_SERVER)}",
            f"--tls-private-key-file={pki.key(API_SERVER)}",
            f"--client-ca-file={pki.ca}",
            f"--cert-dir={self._bed.folder / 'apiserver'}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            "--allow-privileged",
            f"--service-cluster-ip-range={self._bed.subnets.services}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki.folder / 'sa.pub'}",
            f"--service-account-signing-key-file={pki.key('sa')}",
            f"--kubelet-client-certificate={pki.certificate('admin')}",
            f"--kubelet-client-key={pki.key('admin')}",
            "--kubelet-preferred-address-types=InternalIP",
        ]
        if ipaddress.ip_address(place.address).is_loopback:
            flags.append(
                "--endpoint-reconciler-type=none"
            )  # no pod could reach it, and Endpoints refuse such an address
        if self._bed.audit_log:
            policy = self._bed.wanted.audit_policy or paths.TEMPLATES / "audit-policy.yaml"
            flags.append(f"--audit-policy-file={policy}")
            flags.append(f"--audit-log-path={self._bed.audit_log}")
        return flags
